namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>Numbers of the format, from VMware's Virtual Disk Format 5.0.</summary>
internal static class VmdkFormat
{
    internal const int Sector = 512, EntriesOfTable = 512;
    internal const uint Magic = 0x564D444B;
    internal const uint FlagNewLines = 1, FlagZeroedGrains = 4, FlagCompressed = 0x10000, FlagMarkers = 0x20000;
    internal const ushort Deflate = 1;
    /// <summary>In the header of a file that was written in one pass: the directory is told by a footer.</summary>
    internal const long DirectoryAtEnd = -1;
    internal const uint MarkerEnd = 0, MarkerTable = 1, MarkerDirectory = 2, MarkerFooter = 3;
    internal const long MostBytes = 64L << 40;
    /// <summary>Sparse files number their sectors with 32 bits.</summary>
    internal const long MostSparseBytes = 2L << 40;
    internal const int MostGrainBytes = 1024 * 1024, LeastGrainBytes = 4096;
    internal const int MostDescriptorBytes = 1024 * 1024;
    /// <summary>What is written here: 128 sectors.</summary>
    internal const int GrainBytes = 64 * 1024;
}
