namespace Natalia.Backup.Engine.BlockMap;

/// <summary>How a disk of a given size is cut into blocks and leaves. docs/format.md §7.</summary>
internal static class BlockGeometry
{
    internal const int BlockBytes = 64 * 1024;
    internal const int FanOutBits = 7;
    internal const int FanOut = 1 << FanOutBits;
    internal const long LeafBytes = (long)BlockBytes * FanOut;

    /// <summary>A root of level 6 covers 64 KiB × 128^7 = 32 EiB, more than a 64-bit size can say.</summary>
    internal const int MaximumLevel = 6;

    /// <summary>So many that their bytes still fit into a number.</summary>
    internal const long MaximumBlocks = long.MaxValue / BlockBytes;

    internal static long BlockCount(long sizeBytes) => sizeBytes / BlockBytes + (sizeBytes % BlockBytes == 0 ? 0 : 1);

    internal static long LeafCount(long sizeBytes) => sizeBytes / LeafBytes + (sizeBytes % LeafBytes == 0 ? 0 : 1);

    /// <summary>The lowest level at which one node covers the whole disk.</summary>
    internal static int RootLevel(long sizeBytes)
    {
        int level = 0;
        for (long nodes = LeafCount(sizeBytes); nodes > 1; nodes = (nodes + FanOut - 1) >> FanOutBits) level++;
        return level;
    }

    /// <summary>The plain length of a block: 64 KiB, or less for the disk's last one.</summary>
    internal static int BlockLength(long sizeBytes, long block) =>
        (int)Math.Min(BlockBytes, sizeBytes - block * BlockBytes);
}
