using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>What came of asking for areas over a whole disk.</summary>
/// <param name="Extents">Ascending, apart from each other, inside the disk; null when nothing can be believed.</param>
/// <param name="Why">Then: why, as the end of a sentence without its full stop.</param>
/// <param name="Calls">How many calls it took.</param>
internal sealed record AreaAnswer(IReadOnlyList<Extent>? Extents, string? Why, int Calls);
