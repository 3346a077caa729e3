namespace Natalia.Backup.Engine.Disks;

/// <summary>What an image file says of itself; nothing else was opened.</summary>
/// <param name="SizeBytes">The disk's size in bytes; null where other files have to be asked.</param>
/// <param name="Parent">The parent that it differs from, or null.</param>
/// <param name="Parts">Other files that belong to the image, as it names them.</param>
public sealed record ImageProbe(long? SizeBytes, ParentReference? Parent, IReadOnlyList<string> Parts);
