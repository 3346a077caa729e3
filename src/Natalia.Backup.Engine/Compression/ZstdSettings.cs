namespace Natalia.Backup.Engine.Compression;

/// <summary>
/// How blocks are compressed. The compressor is the slowest part of a full backup, so it has the fastest strategy. For
/// segments of at most 64 KiB, level 1's own table of 32 KiB is too large: one of 8 KiB stays in the processor's first
/// cache, and matches of five bytes instead of six and literals that are always coded more than make up for what it
/// forgets (benchmarks/Natalia.Backup.Benchmarks, compression).
/// </summary>
internal static class ZstdSettings
{
    internal const int Level = 1;

    /// <summary>
    /// Parameters by the numbers of zstd's <c>ZSTD_cParameter</c> (zstd.h; stable since 1.4.0, the last one is marked
    /// experimental but has not changed since), in the order in which they are set.
    /// </summary>
    internal static readonly (int Parameter, int Value)[] Parameters =
    [
        (107, 1),   // strategy: fast
        (101, 16),  // windowLog: 64 KiB
        (102, 11),  // hashLog: 2,048 entries of 4 bytes
        (105, 5),   // minMatch
        (106, 1),   // targetLength: the step where nothing matches
        (1002, 1),  // literalCompressionMode: always Huffman
    ];
}
