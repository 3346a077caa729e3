namespace Natalia.Backup.Engine.Sealing;

/// <summary>A seal does not fit: the wrong key, or bytes that were changed.</summary>
internal sealed class SealBrokenException(string message) : FormatException(message);
