namespace Natalia.Backup.Engine.Files;

/// <summary>
/// Folders that nobody but their owner may look into, from their first moment on. On Windows the rights of the folder
/// above count.
/// </summary>
public static class PrivateFolder
{
    /// <summary>Makes one; what is there already stays as it is.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    public static void Create(string path)
    {
#if NET8_0_OR_GREATER
        if (!OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return;
        }
#endif
        Directory.CreateDirectory(path);
    }
}
