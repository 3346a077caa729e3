using Natalia.Backup.Engine.Disks.Native;

namespace Natalia.Backup.Engine.Disks;

/// <summary>Tells files from pipes and devices that have a file's name: reading one of those could wait for ever.</summary>
public static class RegularFile
{
    /// <summary>Whether a path leads to a regular file, also through symbolic links. True where the system cannot say, and where there is nothing: opening it then tells.</summary>
    /// <param name="path">The path.</param>
    public static bool MayBe(string path) => Platform.IsWindows || UnixFile.GetStatus(path) is not { IsRegular: false };
}
