using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>One thing that the log does to the file.</summary>
/// <param name="Place">Which bytes of the file.</param>
/// <param name="DataOffset">Where in the file the sector of the log is that they become; null for zeros.</param>
/// <param name="Leading">The first 8 bytes of the sector, in whose place the log's sector has its mark.</param>
/// <param name="Trailing">The last 4 bytes.</param>
internal readonly record struct LogPatch(Extent Place, long? DataOffset, ulong Leading, uint Trailing);
