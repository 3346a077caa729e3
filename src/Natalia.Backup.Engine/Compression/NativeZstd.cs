#if NET8_0_OR_GREATER
using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Compression;

/// <summary>zstd by the system's library.</summary>
internal sealed unsafe class NativeZstd(ZstdLibrary library) : Zstd
{
    /// <summary>ZSTD_c_compressionLevel of zstd.h.</summary>
    private const int LevelParameter = 100;

    private Context? _compressor, _decompressor;

    internal override int? TryCompress(ReadOnlySpan<byte> plain, Span<byte> frame)
    {
        _compressor ??= NewCompressor();
        nuint written;
        fixed (byte* source = plain, target = frame)
            written = library.Compress(_compressor.Pointer, target, (nuint)frame.Length, source, (nuint)plain.Length);
        // No room, or no memory: either way the bytes are stored as they are.
        return library.IsError(written) ? null : (int)written;
    }

    internal override int Decompress(ReadOnlySpan<byte> frame, Span<byte> plain)
    {
        _decompressor ??= new Context(library.CreateDecompressor(), library.FreeDecompressor);
        nuint written;
        fixed (byte* source = frame, target = plain)
            written = library.Decompress(_decompressor.Pointer, target, (nuint)plain.Length, source,
                (nuint)frame.Length);
        if (library.IsError(written))
            throw new FormatException("A frame does not decompress: " + library.ErrorName(written));
        return (int)written;
    }

    private Context NewCompressor()
    {
        var context = new Context(library.CreateCompressor(), library.FreeCompressor);
        _ = library.SetParameter(context.Pointer, LevelParameter, ZstdSettings.Level);
        foreach ((int parameter, int value) in ZstdSettings.Parameters)
            _ = library.SetParameter(context.Pointer, parameter, value);
        return context;
    }

    public override void Dispose()
    {
        _compressor?.Dispose();
        _decompressor?.Dispose();
        _compressor = _decompressor = null;
    }

    /// <summary>Working memory of the library, given back even when nobody disposes of it.</summary>
    private sealed class Context : SafeHandle
    {
        private readonly delegate* unmanaged<IntPtr, nuint> _free;

        internal Context(IntPtr context, delegate* unmanaged<IntPtr, nuint> free) : base(context, ownsHandle: true)
        {
            _free = free;
            if (context == IntPtr.Zero) throw new OutOfMemoryException("There is no memory left for zstd.");
        }

        internal IntPtr Pointer => handle;

        public override bool IsInvalid => handle == IntPtr.Zero;

        protected override bool ReleaseHandle()
        {
            _ = _free(handle);
            return true;
        }
    }
}
#endif
