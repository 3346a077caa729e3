namespace Natalia.Backup.Engine.Files;

/// <summary>
/// Files that nobody but their owner may read, from the first byte on: disks and settings hold secrets. On Windows the
/// folder's rights count. A file that is there already keeps the rights that it has.
/// </summary>
public static class PrivateFile
{
    /// <summary>Opens one, for this process alone.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mode">Whether it is made.</param>
    /// <param name="access">What is done with it.</param>
    /// <param name="bufferSize">What the stream keeps of writes, in bytes; 1 for nothing.</param>
    /// <param name="options">More for the system.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    public static FileStream Open(string path, FileMode mode, FileAccess access, int bufferSize = 4096,
        FileOptions options = FileOptions.None)
    {
#if NET8_0_OR_GREATER
        var how = new FileStreamOptions
        {
            Mode = mode,
            Access = access,
            Share = FileShare.None,
            BufferSize = bufferSize,
            Options = options,
        };
        if (!OperatingSystem.IsWindows()) how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, how);
#else
        // The older framework runs this on Windows alone.
        return new FileStream(path, mode, access, FileShare.None, bufferSize, options);
#endif
    }

    /// <summary>
    /// Gives a file that is to take another one's place the rights that the other one has: who may not read the old one
    /// may not read the new one, and who may still does. Nothing on Windows.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="other">The one whose place it takes.</param>
    /// <exception cref="IOException">They cannot be given.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    public static void TakeRightsOf(string path, string other)
    {
#if NET8_0_OR_GREATER
        if (OperatingSystem.IsWindows()) return;
        UnixFileMode rights = File.GetUnixFileMode(other);
        // File systems without rights give all files the same, and refuse to be told.
        if (File.GetUnixFileMode(path) != rights) File.SetUnixFileMode(path, rights);
#endif
    }
}
