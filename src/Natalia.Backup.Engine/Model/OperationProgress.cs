namespace Natalia.Backup.Engine.Model;

/// <summary>How far an operation has come. Sent from any thread; a receiver that paints throttles for itself.</summary>
/// <param name="Activity">What is going on, for a person.</param>
/// <param name="DoneBytes">Bytes done, 0 or more.</param>
/// <param name="TotalBytes">Bytes to do; null when not known yet.</param>
public sealed record OperationProgress(string Activity, long DoneBytes, long? TotalBytes);
