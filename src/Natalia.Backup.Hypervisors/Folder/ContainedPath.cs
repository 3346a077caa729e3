using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>Resolves paths that a description states. It may come from anybody, and must not make us read a file elsewhere as if it were a disk.</summary>
internal static class ContainedPath
{
    /// <summary>The real path of a file inside a folder; null when there is no such file.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="path">A relative path; both slashes separate, so that a description means the same on every system.</param>
    /// <param name="statedBy">Where the path comes from, for the error.</param>
    /// <exception cref="NataliaException"><c>PathNotContained</c>.</exception>
    internal static string? Resolve(string folder, string path, string statedBy)
    {
        string[] segments = path.Split('/', '\\');
        // A colon means a drive or an alternate stream on Windows; elsewhere only a drive letter is refused, names may hold colons.
        bool hasDrive = path.Length > 1 && path[1] == ':' && char.IsLetter(path[0]);
        if (hasDrive || path.IndexOf('\0') >= 0 || Array.Exists(segments, s => s.Length == 0 || s == "..") || (Path.DirectorySeparatorChar == '\\' && path.IndexOf(':') >= 0))
            throw Escapes(folder, path, statedBy);

        string full = Path.GetFullPath(Path.Combine(folder, Path.Combine(segments)));
        if (!File.Exists(full)) return null;
        string? realFolder = RealPath.Of(folder), real = RealPath.Of(full);
        if (realFolder is null || real is null) return null;
        return RealPath.IsInside(real, realFolder) ? real : throw Escapes(folder, path, statedBy);
    }

    private static NataliaException Escapes(string folder, string path, string statedBy) => new(ErrorIds.PathNotContained, NataliaErrorKind.Security,
        $"The path '{path}' in '{statedBy}' leads out of '{folder}'.", statedBy,
        "State image paths relative to the VM's folder, and keep the images inside it. To back up images elsewhere, connect the folder that holds them.");
}
