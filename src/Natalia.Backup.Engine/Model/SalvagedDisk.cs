namespace Natalia.Backup.Engine.Model;

/// <summary>What was had of a disk of a damaged point.</summary>
/// <param name="Disk">The disk.</param>
/// <param name="BytesLost">How many bytes that were stored could not be had; 0 when all could.</param>
/// <param name="LostExtents">Where on the disk they are, ascending: there are zeros now. An extent may hold zeros
/// besides what is lost.</param>
public sealed record SalvagedDisk(RestorePointDisk Disk, long BytesLost, IReadOnlyList<Extent> LostExtents);
