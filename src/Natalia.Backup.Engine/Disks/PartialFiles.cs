using Natalia.Backup.Engine.Disks.Native;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// The partial files of images: <c>name.raw.1a2b3c4d.partial</c>, beside the image that they become. Whoever writes one has it open for nobody else; an export that is killed leaves it behind, as large as a disk.
/// </summary>
public static class PartialFiles
{
    private const string Extension = ".partial";
    private const int MarkLength = 8;

    /// <summary>Leaves room for the rest within the 255 bytes that a name may have.</summary>
    private const int MostOfName = 64;

    /// <summary>Deletes the partial files that nobody writes any more. What some process holds stays, and is not told of.</summary>
    /// <param name="folder">Where to look.</param>
    /// <param name="isWanted">Decides by the name of the image, of which a long one is cut to its first 64 characters.</param>
    /// <returns>What was left behind, by name: each deleted, or to be deleted by the user.</returns>
    public static IReadOnlyList<PartialFile> RemoveStale(string folder, Func<string, bool> isWanted)
    {
        var found = new List<PartialFile>();
        foreach (string path in List(folder))
        {
            string name = Path.GetFileName(path);
            if (ImageOf(name) is not string image || !isWanted(image)) continue;
            if (TryRemove(path) is bool isRemoved) found.Add(new PartialFile(path, isRemoved));
        }
        return found;
    }

    /// <summary>The name of an image as it stands in the names of its partial files.</summary>
    /// <param name="path">The image's path.</param>
    public static string NameFor(string path)
    {
        string name = Path.GetFileName(path);
        return name.Length > MostOfName ? name.Substring(0, char.IsHighSurrogate(name[MostOfName - 1]) ? MostOfName - 1 : MostOfName) : name;
    }

    /// <summary>A name of its own beside the image, so that the last step is a rename within one file system.</summary>
    internal static string NewPath(string path) =>
        Path.Combine(Path.GetDirectoryName(path) ?? path, $"{NameFor(path)}.{Guid.NewGuid().ToString("N").Substring(0, MarkLength)}{Extension}");

    private static string? ImageOf(string partial)
    {
        int rest = MarkLength + 1 + Extension.Length, image = partial.Length - rest;
        if (image <= 0 || !partial.EndsWith(Extension, StringComparison.Ordinal) || partial[image] != '.') return null;
        return partial.Skip(image + 1).Take(MarkLength).All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f') ? partial.Substring(0, image) : null;
    }

    private static IReadOnlyList<string> List(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder, "*" + Extension).OrderBy(f => f, StringComparer.Ordinal)];
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            // The writing says what is wrong with the folder.
            return [];
        }
    }

    /// <summary>True when it was deleted, false when it is to be told of, null when somebody writes it.</summary>
    private static bool? TryRemove(string path)
    {
        try
        {
            // One that was made this moment is not held yet; it has no length yet either.
            if (new FileInfo(path).Length == 0) return null;
            bool isProof = HoldsAreSeen(path);
            using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, isProof ? FileOptions.DeleteOnClose : FileOptions.None))
            {
            }
            return isProof && !File.Exists(path);
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            return null;
        }
    }

    /// <summary>Windows enforces who may open a file, on shares as well. Elsewhere a lock of another machine may not be seen through a share.</summary>
    private static bool HoldsAreSeen(string path)
    {
        if (Platform.IsWindows) return true;
#if NET8_0_OR_GREATER
        return new DriveInfo(path).DriveType is DriveType.Fixed or DriveType.Ram or DriveType.Removable;
#else
        return true;
#endif
    }
}
