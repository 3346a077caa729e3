namespace Natalia.Backup.Engine.Compression;

/// <summary>
/// zstd for one worker: holds the working memory, not thread-safe. There are two, and either reads what the other
/// wrote: the system's own library where there is one, which decompresses a quarter and compresses a sixth faster
/// (benchmarks/Natalia.Backup.Benchmarks, compression), from the first block on and not only when the port is compiled
/// well; and else the port in managed code that comes with the module.
/// </summary>
internal abstract class Zstd : IDisposable
{
    /// <summary>The faster one that is to be had.</summary>
    internal static Zstd New()
    {
#if NET8_0_OR_GREATER
        if (ZstdLibrary.Instance is ZstdLibrary library) return new NativeZstd(library);
#endif
        return new ManagedZstd();
    }

    /// <summary>Compresses into one frame that tells its content's length.</summary>
    /// <param name="plain">What to compress; at most 16 MiB.</param>
    /// <param name="frame">Where to.</param>
    /// <returns>The frame's length in bytes; null when it does not fit.</returns>
    internal abstract int? TryCompress(ReadOnlySpan<byte> plain, Span<byte> frame);

    /// <summary>Decompresses one frame.</summary>
    /// <param name="frame">The frame; it may be anything that somebody wrote.</param>
    /// <param name="plain">Where to; nothing is written behind it.</param>
    /// <returns>How many bytes there were.</returns>
    /// <exception cref="FormatException">It is no whole frame, or holds more than <paramref name="plain"/>.</exception>
    internal abstract int Decompress(ReadOnlySpan<byte> frame, Span<byte> plain);

    public abstract void Dispose();
}
