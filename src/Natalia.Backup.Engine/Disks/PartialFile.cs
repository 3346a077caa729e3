namespace Natalia.Backup.Engine.Disks;

/// <summary>A partial image that a broken-off export left behind.</summary>
/// <param name="Path">Its full path.</param>
/// <param name="IsRemoved">True when it was deleted; false when nobody can tell whether another machine still writes
/// it, or it cannot be deleted.</param>
public sealed record PartialFile(string Path, bool IsRemoved);
