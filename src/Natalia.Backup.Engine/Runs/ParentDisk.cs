using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Runs;

/// <summary>The state of a disk that a run compares with.</summary>
/// <param name="Point">The point that holds it.</param>
/// <param name="Disk">The disk in it.</param>
/// <param name="Map">Its map.</param>
/// <param name="IsDamagedSince">
/// Whether damage was found after the disk was last read as a whole: what did not change would be taken over unread,
/// and the loss
/// with it.
/// </param>
internal sealed record ParentDisk(PointManifest Point, ManifestDisk Disk, MapReader Map, bool IsDamagedSince);
