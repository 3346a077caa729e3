namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Finds parents inside one folder and nowhere else: where the child says relative to itself, else beside the child by
/// the file's name. Not thread-safe.
/// </summary>
/// <param name="folder">The folder that nothing leads out of.</param>
public sealed class ParentImagesInFolder(string folder) : IParentImages
{
    private readonly List<RawDiskSource> _opened = [];

    /// <summary>The files that were opened, the nearest parent first. Whoever has the image closes them.</summary>
    public IReadOnlyList<RawDiskSource> Opened => _opened;

    /// <inheritdoc/>
    public ValueTask<IDiskSource?> OpenAsync(ParentReference parent, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        foreach (string path in Candidates(parent))
        {
            if (ContainedFile.Find(folder, path, parent.Child) is not ContainedFile found) continue;
            RawDiskSource file = RawDiskSource.Open(found);
            _opened.Add(file);
            return new ValueTask<IDiskSource?>(file);
        }
        return default;
    }

    /// <summary>Paths relative to the folder; one that leads out of it is kept, and refused by name.</summary>
    private IEnumerable<string> Candidates(ParentReference parent)
    {
        string root = Path.GetFullPath(folder);
        string beside = Path.GetDirectoryName(Path.GetFullPath(parent.Child)) ?? root;
        string within = beside.Length > root.Length && beside.StartsWith(root, StringComparison.Ordinal)
            ? beside.Substring(root.Length).Trim('/', '\\')
            : "";
        if (parent.RelativePath is string relative && Join(within, relative) is string path) yield return path;
        foreach (string? stated in new[] { parent.RelativePath, parent.AbsolutePath })
        {
            string name = stated?.Split('/', '\\').Last() ?? "";
            if (name.Length > 0 && name != "." && name != "..") yield return Join(within, name)!;
        }
    }

    /// <summary>Resolves what stays inside; what does not is kept as it is.</summary>
    private static string? Join(string within, string relative)
    {
        List<string> segments = [.. within.Split(['/', '\\'], StringSplitOptions.RemoveEmptyEntries)];
        foreach (string segment in relative.Split('/', '\\'))
        {
            if (segment is "" or ".") continue;
            if (segment != "..") segments.Add(segment);
            else if (segments.Count > 0) segments.RemoveAt(segments.Count - 1);
            else return relative;
        }
        return segments.Count == 0 ? null : string.Join("/", segments);
    }
}
