namespace Natalia.Backup.Engine.Files;

/// <summary>
/// How Windows reads a path, for texts alone: nothing is looked up, and every system gives the same answers. Sources:
/// Microsoft's "Naming Files, Paths, and Namespaces" and "Maximum Path Length Limitation".
/// </summary>
public static class WindowsPath
{
    private const string Extended = @"\\?\", ExtendedShare = @"\\?\UNC\", Device = @"\\.\";

    /// <summary>The calls of Windows take 260 characters with their end, and a folder leaves room for a name of
    /// 8.3.</summary>
    private const int MostPlain = 247;

    private static readonly HashSet<string> s_devices = new(
        ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$",
            .. "0123456789\u00B9\u00B2\u00B3".SelectMany(d => new[] { "COM" + d, "LPT" + d })],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Why Windows would not take a path for what it says, as the end of a sentence; null when it would. A colon behind
    /// the drive names an alternate stream, dots and blanks at the end of a name are dropped without a word, and some
    /// names are devices in every folder.
    /// </summary>
    /// <param name="path">A path: full, relative or of a drive of PowerShell. Both slashes separate.</param>
    public static string? Flaw(string path)
    {
        bool isLiteral = path.StartsWith(Extended, StringComparison.Ordinal)
            || path.StartsWith(Device, StringComparison.Ordinal);
        string rest = isLiteral ? path.Substring(Extended.Length) : path;
        string[] names = rest.Split('\\', '/');
        int drive = names[0].LastIndexOf(':');
        if (drive >= 0) names[0] = names[0].Substring(drive + 1);
        foreach (string name in names)
        {
            if (name is "" or "." or "..") continue;
            if (name.IndexOf(':') >= 0)
                return $"'{name}' has a colon, behind which Windows reads the name of an alternate stream";
            // What begins like this is passed on as it is.
            if (isLiteral) continue;
            if (name[name.Length - 1] is '.' or ' ')
                return $"'{name}' ends in a dot or a blank, which Windows drops, so that another name would be meant";
            int dot = name.IndexOf('.');
            if (s_devices.Contains((dot < 0 ? name : name.Substring(0, dot)).TrimEnd(' ')))
                return $"'{name}' is the name of a device on Windows, not of a file";
        }
        return null;
    }

    /// <summary>
    /// The path as calls of Windows take it whatever its length is. The frameworks do that where they open files by
    /// themselves; who calls Windows directly has to.
    /// </summary>
    /// <param name="path">A full path.</param>
    internal static string ForCalls(string path) =>
        path.Length <= MostPlain || path.StartsWith(Extended, StringComparison.Ordinal)
            || path.StartsWith(Device, StringComparison.Ordinal) ? path
        : IsShare(path) ? ExtendedShare + WithBackslashes(path).Substring(2)
        : Extended + WithBackslashes(path);

    /// <summary>The path as people write it, without what <see cref="ForCalls"/> puts in front.</summary>
    /// <param name="path">A full path.</param>
    internal static string ForPeople(string path) =>
        path.StartsWith(ExtendedShare, StringComparison.OrdinalIgnoreCase)
            ? @"\\" + path.Substring(ExtendedShare.Length)
            : path.StartsWith(Extended, StringComparison.Ordinal) && path.Length > 5 && path[5] == ':'
                ? path.Substring(Extended.Length)
                : path;

    private static bool IsShare(string path) => path.Length > 2 && path[0] is '\\' or '/' && path[1] is '\\' or '/';

    private static string WithBackslashes(string path) => path.Replace('/', '\\');
}
