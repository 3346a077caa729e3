using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>The answer of change tracking: the extents, or why there are none to be had.</summary>
/// <param name="Extents">The changed extents, or null when the hypervisor cannot tell.</param>
/// <param name="Reason">A full sentence for the user when <paramref name="Extents"/> is null.</param>
public sealed record ChangedExtents(IReadOnlyList<Extent>? Extents, string? Reason = null);
