using Microsoft.Win32.SafeHandles;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Disks.Native;

/// <summary>
/// A file that is read or written at offsets, from several threads at once, without a position and without allocating. Throws what the framework throws.
/// </summary>
internal sealed unsafe class PositionalFile : IDisposable
{
    private readonly FileStream _stream;

    private PositionalFile(FileStream stream)
    {
        _stream = stream;
        Handle = stream.SafeFileHandle;
    }

    internal SafeFileHandle Handle { get; }

    /// <summary>Opens a file that nobody may write meanwhile, where the system enforces that.</summary>
    internal static PositionalFile OpenForReading(string path) =>
        new(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1, FileOptions.SequentialScan));

    /// <summary>Makes a file that is not there yet. Only its owner may read it: a disk holds secrets.</summary>
    internal static PositionalFile CreateNew(string path)
    {
#if NET8_0_OR_GREATER
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new PositionalFile(new FileStream(path, options));
#else
        return new PositionalFile(new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1));
#endif
    }

    internal long GetLength() => Platform.IsWindows ? _stream.Length : UnixFile.GetLength(Handle);

    internal void SetLength(long length) => _stream.SetLength(length);

    /// <summary>Returns when everything is on stable storage.</summary>
    internal void Flush() => StableFile.Flush(_stream);

    /// <summary>Fills the buffer as far as the file goes, and says how far that is.</summary>
    internal int Read(long offset, Span<byte> buffer)
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

    internal void Write(long offset, ReadOnlySpan<byte> bytes)
    {
#if NET8_0_OR_GREATER
        RandomAccess.Write(Handle, bytes, offset);
#else
        while (!bytes.IsEmpty)
        {
            int done;
            fixed (byte* p = bytes)
                done = Platform.IsWindows ? WindowsFile.Write(Handle, p, bytes.Length, offset) : UnixFile.Write(Handle, p, bytes.Length, offset);
            bytes = bytes.Slice(done);
            offset += done;
        }
#endif
    }

    private int ReadSome(long offset, Span<byte> buffer)
    {
#if NET8_0_OR_GREATER
        return RandomAccess.Read(Handle, buffer, offset);
#else
        fixed (byte* p = buffer)
            return Platform.IsWindows ? WindowsFile.Read(Handle, p, buffer.Length, offset) : UnixFile.Read(Handle, p, buffer.Length, offset);
#endif
    }

    public void Dispose() => _stream.Dispose();
}
