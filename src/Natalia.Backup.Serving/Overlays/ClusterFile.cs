using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Serving.Overlays;

/// <summary>
/// An overlay's file: read and written at offsets from several threads, by one process at a time. A file that is not to
/// be kept is gone with its process, however that ends.
/// </summary>
internal sealed class ClusterFile : IDisposable
{
    private static readonly bool s_isWindows = Path.DirectorySeparatorChar == '\\';

    private readonly PositionalFile _file;

    private ClusterFile(string path, PositionalFile file) => (FilePath, _file) = (path, file);

    internal string FilePath { get; }

    internal long Length => _file.GetLength();

    /// <exception cref="NataliaException"><c>OverlayInUse</c>, <c>DestinationExists</c>,
    /// <c>OverlayFailed</c>.</exception>
    internal static ClusterFile Open(string path, bool keep)
    {
        try
        {
            FileMode mode = keep ? FileMode.OpenOrCreate : FileMode.CreateNew;
            FileOptions how = FileOptions.RandomAccess
                | (!keep && s_isWindows ? FileOptions.DeleteOnClose : FileOptions.None);
            PositionalFile file = PositionalFile.OpenOwn(path, mode, FileAccess.ReadWrite, how);
            // Without a name it is the process's alone, and goes with it even when that is killed.
            if (!keep && !s_isWindows) File.Delete(path);
            return new ClusterFile(Path.GetFullPath(path), file);
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
        catch (Exception failure) when (FileTroubles.IsFileError(failure))
        {
            throw Failed(path, "opened", failure);
        }
    }

    internal void Read(long offset, Span<byte> buffer)
    {
        try
        {
            // Behind its end: nothing was written there.
            buffer.Slice(_file.Read(offset, buffer)).Clear();
        }
        catch (Exception failure) when (FileTroubles.IsFileError(failure))
        {
            throw Failed(FilePath, "read", failure);
        }
    }

    /// <exception cref="NataliaException"><c>OverlayFull</c> where the file system has no room,
    /// <c>OverlayFailed</c>.</exception>
    internal void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            _file.Write(offset, bytes);
        }
        catch (IOException full) when (FileTroubles.Classify(full) is FileTrouble.Full or FileTrouble.Quota)
        {
            throw new NataliaException(ErrorIds.OverlayFull, NataliaErrorKind.ResourceUnavailable,
                $"The file system of the overlay '{FilePath}' is full.", FilePath,
                "Give it room; what was written before is still there.", full);
        }
        catch (Exception failure) when (FileTroubles.IsFileError(failure))
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
            _file.Flush();
        }
        catch (IOException failure)
        {
            throw Failed(FilePath, "made durable", failure);
        }
    }

    public void Dispose() => _file.Dispose();

    private static NataliaException Failed(string path, string deed, Exception failure) =>
        new(ErrorIds.OverlayFailed, NataliaErrorKind.WriteFailed,
            $"The overlay '{path}' cannot be {deed}: {failure.Message}", path, null, failure);
}
