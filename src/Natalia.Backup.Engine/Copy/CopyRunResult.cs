using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Copy;

/// <summary>What became of a run that copies.</summary>
/// <param name="Manifest">The copy.</param>
/// <param name="WasAlreadyThere">Whether another run had made it.</param>
/// <param name="IgnoredParentReason">Why it shares nothing with the earlier point, or null.</param>
internal sealed record CopyRunResult(PointManifest Manifest, bool WasAlreadyThere, string? IgnoredParentReason);
