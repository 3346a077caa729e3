using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Serving.Overlays;

/// <summary>
/// An overlay's file: read and written at offsets from several threads, by one process at a time. A file that is not to
/// be kept is gone with its process, however that ends.
/// </summary>
internal sealed class ClusterFile : IDisposable
{
    private const int DiskFull = 28, QuotaExceeded = 122;
    private static readonly bool s_isWindows = Path.DirectorySeparatorChar == '\\';

    private readonly FileStream _stream;
#if !NET8_0_OR_GREATER
    private readonly object _gate = new();
#endif

    private ClusterFile(FileStream stream) => _stream = stream;

    internal string FilePath => _stream.Name;

    internal long Length => _stream.Length;

    /// <exception cref="NataliaException"><c>OverlayInUse</c>, <c>DestinationExists</c>,
    /// <c>OverlayFailed</c>.</exception>
    internal static ClusterFile Open(string path, bool keep)
    {
        try
        {
            FileMode mode = keep ? FileMode.OpenOrCreate : FileMode.CreateNew;
            FileOptions how = FileOptions.RandomAccess
                | (!keep && s_isWindows ? FileOptions.DeleteOnClose : FileOptions.None);
#if NET8_0_OR_GREATER
            var options = new FileStreamOptions
            {
                Mode = mode,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                BufferSize = 0,
                Options = how,
            };
            // A disk holds secrets.
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var stream = new FileStream(path, options);
#else
            var stream = new FileStream(path, mode, FileAccess.ReadWrite, FileShare.None, 1, how);
#endif
            // Without a name it is the process's alone, and goes with it even when that is killed.
            if (!keep && !s_isWindows) File.Delete(path);
            return new ClusterFile(stream);
        }
        catch (IOException exists) when (!keep && File.Exists(path))
        {
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                $"'{path}' is there already, and an overlay that is not kept needs a file of its own.", path,
                "Name another file, or go on with a kept overlay with -KeepOverlay.", exists);
        }
        catch (IOException busy) when (keep && File.Exists(path))
        {
            throw new NataliaException(ErrorIds.OverlayInUse, NataliaErrorKind.ResourceBusy,
                $"The overlay '{path}' cannot be opened: {busy.Message}", path,
                "Dismount what writes it, or name another file.", busy);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failed(path, "opened", failure);
        }
    }

    internal void Read(long offset, Span<byte> buffer)
    {
        try
        {
#if NET8_0_OR_GREATER
            while (!buffer.IsEmpty)
            {
                int read = RandomAccess.Read(_stream.SafeFileHandle, buffer, offset);
                if (read == 0) break;
                offset += read;
                buffer = buffer.Slice(read);
            }
#else
            lock (_gate)
            {
                _stream.Position = offset;
                var bytes = new byte[buffer.Length];
                int total = 0, read;
                while (total < bytes.Length && (read = _stream.Read(bytes, total,
                    bytes.Length - total)) > 0) total += read;
                bytes.AsSpan(0, total).CopyTo(buffer);
                buffer = buffer.Slice(total);
            }
#endif
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failed(FilePath, "read", failure);
        }
        // Behind its end: nothing was written there.
        buffer.Clear();
    }

    /// <exception cref="NataliaException"><c>OverlayFull</c> where the file system has no room,
    /// <c>OverlayFailed</c>.</exception>
    internal void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
#if NET8_0_OR_GREATER
            RandomAccess.Write(_stream.SafeFileHandle, bytes, offset);
#else
            lock (_gate)
            {
                _stream.Position = offset;
                _stream.Write(bytes.ToArray(), 0, bytes.Length);
            }
#endif
        }
        catch (IOException full) when (IsFull(full))
        {
            throw new NataliaException(ErrorIds.OverlayFull, NataliaErrorKind.ResourceUnavailable,
                $"The file system of the overlay '{FilePath}' is full.", FilePath,
                "Give it room; what was written before is still there.", full);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failed(FilePath, "written", failure);
        }
    }

    /// <exception cref="NataliaException"><c>OverlayFailed</c>: what was written is not known to be
    /// durable.</exception>
    internal void Flush()
    {
        try
        {
#if NET8_0_OR_GREATER
            StableFile.Flush(_stream);
#else
            lock (_gate) StableFile.Flush(_stream);
#endif
        }
        catch (IOException failure)
        {
            throw Failed(FilePath, "made durable", failure);
        }
    }

    public void Dispose() => _stream.Dispose();

    private static bool IsFull(IOException failure)
    {
        int code = failure.HResult & 0xFFFF;
        return s_isWindows ? code is 112 or 39 : code is DiskFull or QuotaExceeded;
    }

    private static NataliaException Failed(string path, string deed, Exception failure) =>
        new(ErrorIds.OverlayFailed, NataliaErrorKind.WriteFailed,
            $"The overlay '{path}' cannot be {deed}: {failure.Message}", path, null, failure);
}
