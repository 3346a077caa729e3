namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Finds parents and other files of an image inside one folder and nowhere else: where the image says relative to
/// itself; a parent else beside the child by the file's name. Not thread-safe.
/// </summary>
/// <param name="folder">The folder that nothing leads out of.</param>
public sealed class ParentImagesInFolder(string folder) : IParentImages, IImageParts
{
    private readonly List<RawDiskSource> _opened = [];

    /// <summary>The files that were opened, in that order. Whoever has the image closes them.</summary>
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

    /// <inheritdoc/>
    public ValueTask<IDiskSource?> OpenAsync(string image, string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Join(Beside(image), name) is not string path
            || ContainedFile.Find(folder, path, image) is not ContainedFile found)
            return default;
        RawDiskSource file = RawDiskSource.Open(found);
        _opened.Add(file);
        return new ValueTask<IDiskSource?>(file);
    }

    /// <summary>Paths relative to the folder; one that leads out of it is kept, and refused by name.</summary>
    private IEnumerable<string> Candidates(ParentReference parent)
    {
        string within = Beside(parent.Child);
        if (parent.RelativePath is string relative && Join(within, relative) is string path) yield return path;
        foreach (string? stated in new[] { parent.RelativePath, parent.AbsolutePath })
        {
            string name = stated?.Split('/', '\\').Last() ?? "";
            if (name.Length > 0 && name != "." && name != "..") yield return Join(within, name)!;
        }
    }

    /// <summary>The folder that a file lies in, relative to this one.</summary>
    private string Beside(string file)
    {
        string root = Path.GetFullPath(folder);
        string beside = Path.GetDirectoryName(Path.GetFullPath(file)) ?? root;
        return beside.Length > root.Length && beside.StartsWith(root, StringComparison.Ordinal)
            ? beside.Substring(root.Length).Trim('/', '\\')
            : "";
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
