using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Operations.Exports;

/// <summary>
/// Writes a small file so that its name never shows half of it, nor anybody but the user all of it: who may change a
/// profile decides where backups go, and a VM's configuration may hold secrets.
/// </summary>
internal static class AtomicFile
{
    /// <summary>Writes the bytes beside the file, flushes them, and gives them the file's name.</summary>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationWriteFailed</c>.</exception>
    internal static void Write(string file, byte[] bytes, bool overwrite)
    {
        ExportDestination.EnsureWritable(file, overwrite);
        // The file's own name can be as long as names may be.
        string partial = Path.Combine(Path.GetDirectoryName(file) ?? file,
            $"{PartialFiles.NameFor(file)}.{Guid.NewGuid():n}.partial");
        try
        {
            using (FileStream stream = Create(partial))
            {
                stream.Write(bytes, 0, bytes.Length);
                StableFile.Flush(stream);
            }
            Publish(partial, file, overwrite);
            StableFile.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(file))!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed,
                e is UnauthorizedAccessException ? NataliaErrorKind.PermissionDenied : NataliaErrorKind.WriteFailed,
                $"The file '{file}' could not be written: {e.Message}", file, innerException: e);
        }
        finally
        {
            File.Delete(partial);
        }
    }

    /// <summary>
    /// Made with the rights of the user alone, from the first byte on; on Windows the folder's rights count.
    /// </summary>
    private static FileStream Create(string file)
    {
#if NET8_0_OR_GREATER
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
        };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(file, options);
#else
        // The older framework runs this on Windows alone.
        return new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None);
#endif
    }

    private static void Publish(string partial, string file, bool overwrite)
    {
#if NET8_0_OR_GREATER
        File.Move(partial, file, overwrite);
#else
        // The older framework cannot move over a file; it can replace one that is there.
        if (overwrite && File.Exists(file)) File.Replace(partial, file, null);
        else File.Move(partial, file);
#endif
    }
}
