namespace Natalia.Backup.Engine.Files;

/// <summary>Gives files other names.</summary>
public static class FileMove
{
    /// <summary>
    /// Whether a path leads, links followed, to something whose place no file must take: a device, a pipe, a socket. Of
    /// systems other than Linux it says no.
    /// </summary>
    /// <param name="path">A full path.</param>
    public static bool IsSpecial(string path) =>
        UnixFile.GetStatus(path) is { IsRegular: false } && !Directory.Exists(path);

    /// <summary>
    /// Gives a file the name of another one, which is gone then, in one step; or a name that nobody has.
    /// </summary>
    /// <param name="from">The file.</param>
    /// <param name="to">Its new name, on the same file system.</param>
    /// <exception cref="IOException">It has its old name still, and so has what was there.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public static void Replace(string from, string to)
    {
#if NET8_0_OR_GREATER
        File.Move(from, to, overwrite: true);
#else
        // The older framework cannot move over a file; it can replace one that is there. On Windows that may fail when
        // the other file is gone and this one has not got its name yet (ReplaceFile, ERROR_UNABLE_TO_MOVE_REPLACEMENT).
        if (Platform.IsWindows) WindowsFile.Replace(from, to);
        else if (File.Exists(to)) File.Replace(from, to, null);
        else File.Move(from, to);
#endif
    }
}
