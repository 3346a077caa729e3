namespace Natalia.Backup.Serving.Overlays;

/// <summary>Which disk an overlay belongs to: written over another one it would be nonsense.</summary>
/// <param name="RepositoryId">The repository.</param>
/// <param name="RestorePointId">The point.</param>
/// <param name="DiskId">The disk.</param>
/// <param name="SizeBytes">The disk's size in bytes.</param>
public sealed record OverlayIdentity(string RepositoryId, string RestorePointId, string DiskId, long SizeBytes);
