using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Operations.Exports;

/// <summary>
/// Writes a file so that its name never shows half of it. Small files of the product itself can be read by nobody but
/// the user: who may change a profile decides where backups go, and a VM's configuration may hold secrets.
/// </summary>
internal static class AtomicFile
{
    /// <summary>
    /// Writes the bytes beside the file, flushes them, and gives them the file's name. Nobody but the user may read it.
    /// </summary>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationWriteFailed</c>.</exception>
    internal static void Write(string file, byte[] bytes, bool overwrite)
    {
        ExportDestination.EnsureWritable(file, overwrite);
        Write(file, overwrite, partial => PrivateFile.Open(partial, FileMode.CreateNew, FileAccess.Write),
            stream => stream.Write(bytes, 0, bytes.Length));
    }

    /// <summary>
    /// Writes a file that is to be handed on: with the rights that any new file gets, or those of the file that it
    /// replaces. A link stays a link.
    /// </summary>
    /// <param name="file">A full path. What is there is replaced.</param>
    /// <param name="write">Writes the bytes.</param>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>.</exception>
    internal static void Write(string file, Action<Stream> write)
    {
        string target = file;
#if NET8_0_OR_GREATER
        if (File.Exists(file) && File.ResolveLinkTarget(file, returnFinalTarget: true) is FileSystemInfo linked)
            target = linked.FullName;
#endif
        Write(target, overwrite: true, partial => CreateLike(target, partial), write);
    }

    private static void Write(string file, bool overwrite, Func<string, FileStream> create, Action<Stream> write)
    {
        // The file's own name can be as long as names may be.
        string partial = Path.Combine(Path.GetDirectoryName(file) ?? file,
            $"{PartialFiles.NameFor(file)}.{Guid.NewGuid():n}.partial");
        try
        {
            using (FileStream stream = create(partial))
            {
                write(stream);
                StableFile.Flush(stream);
            }
            if (overwrite) FileMove.Replace(partial, file);
            else File.Move(partial, file);
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

    private static FileStream CreateLike(string file, string partial)
    {
        var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, 65536);
#if NET8_0_OR_GREATER
        if (!OperatingSystem.IsWindows() && File.Exists(file))
            File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(file));
#endif
        return stream;
    }
}
