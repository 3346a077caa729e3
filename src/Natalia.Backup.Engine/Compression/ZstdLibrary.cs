#if NET8_0_OR_GREATER
using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Compression;

/// <summary>
/// The entry points of the system's libzstd. Linux distributions have it because their package managers need it. The
/// system's loader finds it, where it finds every library (and in the folder of the host program, pwsh for instance):
/// nothing is loaded from beside the module or from the current folder. On Windows and macOS it is not part of the
/// system, and is not looked for.
/// </summary>
/// <remarks>zstd.h, "Stable API": the names and signatures here have been stable since 1.4.0.</remarks>
internal sealed unsafe class ZstdLibrary
{
    private const string FileName = "libzstd.so.1";

    /// <summary>1.4.0, the first with the parameters.</summary>
    private const uint OldestVersion = 10400;

    private static readonly Lazy<ZstdLibrary?> s_instance = new(TryLoad);

    private readonly delegate* unmanaged<nuint, uint> _isError;
    private readonly delegate* unmanaged<nuint, byte*> _errorName;

    private ZstdLibrary(IntPtr library)
    {
        Version = ((delegate* unmanaged<uint>)NativeLibrary.GetExport(library, "ZSTD_versionNumber"))();
        _isError = (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
        _errorName = (delegate* unmanaged<nuint, byte*>)NativeLibrary.GetExport(library, "ZSTD_getErrorName");
        CreateCompressor = (delegate* unmanaged<IntPtr>)NativeLibrary.GetExport(library, "ZSTD_createCCtx");
        FreeCompressor = (delegate* unmanaged<IntPtr, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeCCtx");
        SetParameter = (delegate* unmanaged<IntPtr, int, int,
            nuint>)NativeLibrary.GetExport(library, "ZSTD_CCtx_setParameter");
        Compress = (delegate* unmanaged<IntPtr, byte*, nuint, byte*, nuint,
            nuint>)NativeLibrary.GetExport(library, "ZSTD_compress2");
        CreateDecompressor = (delegate* unmanaged<IntPtr>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");
        FreeDecompressor = (delegate* unmanaged<IntPtr, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");
        Decompress = (delegate* unmanaged<IntPtr, byte*, nuint, byte*, nuint,
            nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressDCtx");
    }

    /// <summary>The library, or null where there is none that can do what is needed.</summary>
    internal static ZstdLibrary? Instance => s_instance.Value;

    /// <summary>Major·10000 + minor·100 + release.</summary>
    internal uint Version { get; }

    internal delegate* unmanaged<IntPtr> CreateCompressor { get; }
    internal delegate* unmanaged<IntPtr, nuint> FreeCompressor { get; }
    internal delegate* unmanaged<IntPtr, int, int, nuint> SetParameter { get; }
    internal delegate* unmanaged<IntPtr, byte*, nuint, byte*, nuint, nuint> Compress { get; }
    internal delegate* unmanaged<IntPtr> CreateDecompressor { get; }
    internal delegate* unmanaged<IntPtr, nuint> FreeDecompressor { get; }
    internal delegate* unmanaged<IntPtr, byte*, nuint, byte*, nuint, nuint> Decompress { get; }

    internal bool IsError(nuint result) => _isError(result) != 0;

    internal string ErrorName(nuint result) => Marshal.PtrToStringAnsi((IntPtr)_errorName(result)) ?? "unknown error";

    private static ZstdLibrary? TryLoad()
    {
        if (!OperatingSystem.IsLinux()
            || !NativeLibrary.TryLoad(FileName, typeof(ZstdLibrary).Assembly, DllImportSearchPath.System32,
                out IntPtr handle))
            return null;
        ZstdLibrary library;
        try
        {
            library = new ZstdLibrary(handle);
        }
        catch (EntryPointNotFoundException)
        {
            // A library of this name that is another one, or one from before the parameters.
            return null;
        }
        return library.Version >= OldestVersion && library.AcceptsSettings() ? library : null;
    }

    /// <summary>A library that was built without one of the settings would compress worse without a word.</summary>
    private bool AcceptsSettings()
    {
        IntPtr context = CreateCompressor();
        if (context == IntPtr.Zero) return false;
        try
        {
            return Array.TrueForAll(ZstdSettings.Parameters,
                p => !IsError(SetParameter(context, p.Parameter, p.Value)));
        }
        finally
        {
            _ = FreeCompressor(context);
        }
    }
}
#endif
