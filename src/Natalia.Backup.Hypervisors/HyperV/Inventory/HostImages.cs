using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>
/// Opens disk images of a host with all their parents. A checkpoint's disk is one whose parents are the states before;
/// each lies where its child says, as the host sees it, and must be the very state that the child counts from.
/// </summary>
internal sealed class HostImages(IHostFiles files) : IParentImages
{
    /// <summary>Where the files are that were opened, as the host has them; by their path from here.</summary>
    private readonly Dictionary<string, string> _hostPaths = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The disk of an image.</summary>
    /// <param name="files">The host's files.</param>
    /// <param name="hostPath">The image, as the host has it.</param>
    internal static async Task<IDiskSource> OpenAsync(IHostFiles files, string hostPath,
        CancellationToken cancellationToken)
    {
        var images = new HostImages(files);
        IDiskSource file = await Task.Run(() => images.Open(hostPath), cancellationToken).ConfigureAwait(false);
        ImageFormat format = hostPath.EndsWith("vhd", StringComparison.OrdinalIgnoreCase)
            ? ImageFormat.Vhd
            : ImageFormat.Vhdx;
        return await DiskImages.OpenAsync(file, format, images, null, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<IDiskSource?> OpenAsync(ParentReference parent, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        foreach (string candidate in Candidates(parent))
        {
            try
            {
                return new ValueTask<IDiskSource?>(Open(candidate));
            }
            catch (NataliaException e) when (e.Kind is NataliaErrorKind.NotFound or NataliaErrorKind.NotSupported)
            {
                // It may lie at the other place that the child names.
            }
        }
        return default;
    }

    private RawDiskSource Open(string hostPath)
    {
        string local = files.ToLocal(hostPath);
        RawDiskSource file = RawDiskSource.OpenFrozen(local);
        _hostPaths[file.Path] = hostPath;
        return file;
    }

    /// <summary>Paths of the host; only its own images, and no others that a forged locator could name.</summary>
    private IEnumerable<string> Candidates(ParentReference parent)
    {
        var paths = new List<string>();
        if (parent.RelativePath is string relative && _hostPaths.TryGetValue(parent.Child, out string? child))
            paths.Add(Join(child, relative));
        if (parent.AbsolutePath is string absolute) paths.Add(absolute);
        return paths.Where(IsImage);
    }

    private static bool IsImage(string path) =>
        new[] { ".vhdx", ".avhdx", ".vhd", ".avhd" }.Any(e => path.EndsWith(e, StringComparison.OrdinalIgnoreCase));

    /// <summary>A path relative to the folder of a file, with backslashes whatever runs here.</summary>
    private static string Join(string file, string relative)
    {
        List<string> parts = [.. file.Split('\\')];
        parts.RemoveAt(parts.Count - 1);
        foreach (string part in relative.Split('\\', '/'))
        {
            if (part == ".." && parts.Count > 1) parts.RemoveAt(parts.Count - 1);
            else if (part is not ("" or "." or "..")) parts.Add(part);
        }
        return string.Join("\\", parts);
    }
}
