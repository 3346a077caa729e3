using Natalia.Backup.Engine;

namespace Natalia.Backup.Points;

/// <summary>Writes a small file so that its name never shows half of it.</summary>
internal static class AtomicFile
{
    /// <summary>Writes the bytes beside the file, flushes them, and gives them the file's name.</summary>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationWriteFailed</c>.</exception>
    internal static void Write(string file, byte[] bytes, bool overwrite)
    {
        ExportDestination.EnsureWritable(file, overwrite);
        string partial = $"{file}.{Guid.NewGuid():n}.partial";
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                stream.Write(bytes, 0, bytes.Length);
                stream.Flush(flushToDisk: true);
            }
            Publish(partial, file, overwrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, e is UnauthorizedAccessException ? NataliaErrorKind.PermissionDenied : NataliaErrorKind.WriteFailed,
                $"The file '{file}' could not be written: {e.Message}", file, innerException: e);
        }
        finally
        {
            File.Delete(partial);
        }
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
