using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Natalia.Backup.Engine.Compression;

/// <summary>zstd in managed code: runs everywhere.</summary>
internal sealed class ManagedZstd : Zstd
{
    private Compressor? _compressor;
    private Decompressor? _decompressor;

    internal override int? TryCompress(ReadOnlySpan<byte> plain, Span<byte> frame)
    {
        _compressor ??= NewCompressor();
        return _compressor.TryWrap(plain, frame, out int written) ? written : null;
    }

    internal override int Decompress(ReadOnlySpan<byte> frame, Span<byte> plain)
    {
        _decompressor ??= new Decompressor();
        try
        {
            return _decompressor.TryUnwrap(frame, plain, out int written)
                ? written
                : throw new FormatException("A frame holds more than it should.");
        }
        catch (ZstdException failure)
        {
            throw new FormatException("A frame does not decompress: " + failure.Message, failure);
        }
    }

    private static Compressor NewCompressor()
    {
        var compressor = new Compressor(ZstdSettings.Level);
        foreach ((int parameter, int value) in ZstdSettings.Parameters)
            compressor.SetParameter((ZSTD_cParameter)parameter, value);
        return compressor;
    }

    public override void Dispose()
    {
        _compressor?.Dispose();
        _decompressor?.Dispose();
    }
}
