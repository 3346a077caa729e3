using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Natalia.Backup.Engine.Files;

/// <summary>
/// A file that is read or written at offsets, from several threads at once, without a position and without allocating.
/// Throws what the framework throws.
/// </summary>
public sealed unsafe class PositionalFile : IDisposable
{
    private readonly FileStream? _stream;

    private PositionalFile(FileStream stream) : this(stream.SafeFileHandle) => _stream = stream;

    private PositionalFile(SafeHandle handle) => Handle = handle;

    internal SafeHandle Handle { get; }

    /// <summary>
    /// Opens a file that nobody may write meanwhile, unless told, where the system enforces that. A pipe is not waited
    /// for; whether it is one, the caller looks.
    /// </summary>
    internal static PositionalFile OpenForReading(string path, FileShare share = FileShare.Read) => Platform.IsWindows
        ? new(new FileStream(path, FileMode.Open, FileAccess.Read, share, bufferSize: 1, FileOptions.SequentialScan))
        : ForReading(UnixOpen.File(path));

    /// <summary>Opens a file below a folder so that it is surely there, whatever becomes a link meanwhile.</summary>
    /// <param name="folder">The folder's real path.</param>
    /// <param name="path">The file's real path, inside the folder.</param>
    /// <param name="share">What others may do with it meanwhile, where the system enforces that.</param>
    /// <returns>The file; null when the path leads out of the folder now.</returns>
    internal static PositionalFile? OpenBelow(string folder, string path, FileShare share)
    {
        if (!Platform.IsWindows)
            return UnixOpen.FileBelow(folder,
                path.Substring(folder.Length).Split(['/'], StringSplitOptions.RemoveEmptyEntries)) is SafeHandle handle
                ? ForReading(handle)
                : null;
        // Links are followed here: what deduplication and cloud storage keep looks like one, and is not readable
        // otherwise. Where it led, the handle tells.
        var file = new PositionalFile(new FileStream(path, FileMode.Open, FileAccess.Read, share, bufferSize: 1,
            FileOptions.SequentialScan));
        if (RealPath.OfWindows((SafeFileHandle)file.Handle) is string real && RealPath.IsInside(real, folder))
            return file;
        file.Dispose();
        return null;
    }

    /// <summary>Makes a file that is not there yet. Only its owner may read it: a disk holds secrets.</summary>
    internal static PositionalFile CreateNew(string path) => OpenOwn(path, FileMode.CreateNew, FileAccess.Write);

    /// <summary>
    /// Opens or makes a file that no other program has open meanwhile. One that is made may be read by its owner alone:
    /// a disk holds secrets.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="mode">What may be there.</param>
    /// <param name="access">What is done with it.</param>
    /// <param name="options">How it is used.</param>
    public static PositionalFile OpenOwn(string path, FileMode mode, FileAccess access,
        FileOptions options = FileOptions.None) =>
        new(PrivateFile.Open(path, mode, access, bufferSize: 1, options));

    /// <summary>How many bytes it has.</summary>
    public long GetLength() => Platform.IsWindows ? _stream!.Length : UnixFile.GetLength(Handle);

    /// <summary>Of a file that was made here.</summary>
    internal void SetLength(long length) => _stream!.SetLength(length);

    /// <summary>Returns when everything of a file that was made here is on stable storage.</summary>
    public void Flush() => StableFile.Flush(_stream!);

    /// <summary>Fills the buffer as far as the file goes, and says how far that is.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="buffer">Where to put the bytes.</param>
    public int Read(long offset, Span<byte> buffer)
    {
        int total = 0;
        while (total < buffer.Length)
        {
            int done = ReadSome(offset + total, buffer.Slice(total));
            if (done == 0) break;
            total += done;
        }
        return total;
    }

    /// <summary>Writes all bytes.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="bytes">The bytes.</param>
    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
#if NET8_0_OR_GREATER
        RandomAccess.Write((SafeFileHandle)Handle, bytes, offset);
#else
        while (!bytes.IsEmpty)
        {
            int done;
            fixed (byte* p = bytes)
                done = Platform.IsWindows
                    ? WindowsFile.Write(Handle, p, bytes.Length, offset)
                    : UnixFile.Write(Handle, p, bytes.Length, offset);
            bytes = bytes.Slice(done);
            offset += done;
        }
#endif
    }

    private int ReadSome(long offset, Span<byte> buffer)
    {
#if NET8_0_OR_GREATER
        return RandomAccess.Read((SafeFileHandle)Handle, buffer, offset);
#else
        fixed (byte* p = buffer)
            return Platform.IsWindows
                ? WindowsFile.Read(Handle, p, buffer.Length, offset)
                : UnixFile.Read(Handle, p, buffer.Length, offset);
#endif
    }

    private static PositionalFile ForReading(SafeHandle handle)
    {
        UnixFile.WillReadAll(handle);
        return new PositionalFile(handle);
    }

    /// <summary>Closes it.</summary>
    public void Dispose()
    {
        // Never both: under Mono a handle that its stream has closed must not be disposed again.
        if (_stream is not null) _stream.Dispose();
        else Handle.Dispose();
    }
}
