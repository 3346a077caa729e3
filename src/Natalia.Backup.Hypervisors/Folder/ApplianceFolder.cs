using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>Reads one VM out of its folder.</summary>
internal static class ApplianceFolder
{
    internal const string Kind = "Folder";

    /// <summary>
    /// What may be VMs in a folder, each to be read on its own, so that what is wrong with one hides no other: what its
    /// description, its one OVF or OVA, or its images make of it; and, right in the directory of VMs, each OVA there.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">The kind of hypervisor whose VMs they are.</param>
    /// <param name="isRoot">True for the directory of VMs itself.</param>
    internal static IEnumerable<Func<FolderAppliance?>> In(string folder, string kind, bool isRoot)
    {
        List<string> packages;
        try
        {
            packages = DescriptionFile.IsIn(folder)
                ? []
                : [.. Directory.GetFiles(folder).Where(IsPackage).OrderBy(p => p, StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Reading the folder tells what is wrong with it.
            packages = [];
        }
        if (!isRoot && packages.Count > 0)
            return [() => Guard(folder, () => ReadPackage(folder, kind, packages, ofFolder: true))];
        return
        [
            () => Read(folder, kind),
            .. packages.Where(IsOva).Select(p => new Func<FolderAppliance?>(() => Guard(folder,
                () => ReadPackage(folder, kind, [p], ofFolder: false)))),
        ];
    }

    /// <summary>The VM in a folder; null when the folder holds neither a description nor an image.</summary>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>, <c>PathNotContained</c>.</exception>
    internal static FolderAppliance? Read(string folder, string kind) => Guard(folder, () =>
    {
        DescriptionFile? description = DescriptionFile.Read(folder);
        List<FolderImage> images = description?.Disks is IReadOnlyList<DescribedDisk> disks
            ? DescribedImages(folder, Path.Combine(folder, DescriptionFile.FileName), disks)
            : FoundImages(folder);
        if (description is null && images.Count == 0) return null;
        return new FolderAppliance(folder, Describe(folder, kind, description, images),
            description?.Disks is not null, description?.Attachments ?? [], images);
    });

    private static FolderAppliance? Guard(string folder, Func<FolderAppliance?> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.ReadFailed,
                $"The folder '{folder}' cannot be read: {e.Message}", folder,
                "Check the folder and this user's access to it.", e);
        }
    }

    private static bool IsPackage(string path) => IsOva(path) || HasExtension(path, ".ovf");

    internal static bool IsOva(string path) => HasExtension(path, ".ova");

    private static bool HasExtension(string path, string extension) =>
        Path.GetExtension(path).Equals(extension, StringComparison.OrdinalIgnoreCase);

    /// <summary>The VM of an exported package: an OVF with its files beside it, or all of it in an OVA.</summary>
    private static FolderAppliance ReadPackage(string folder, string kind, List<string> packages, bool ofFolder)
    {
        if (packages.Count > 1)
            throw OvfFile.Invalid(folder, $"there are {packages.Count} packages in the folder, and it is one VM's");
        string path = packages[0];
        ContainedFile file = ContainedFile.Find(folder, Path.GetFileName(path), folder)
            ?? throw OvfFile.Invalid(path, "it is a link that leads nowhere");
        return IsOva(path) ? ReadOva(folder, kind, file, ofFolder) : ReadOvf(folder, kind, file);
    }

    private static FolderAppliance ReadOvf(string folder, string kind, ContainedFile file)
    {
        string text;
        try
        {
            text = file.ReadText(OvfFile.MaxBytes).Text;
        }
        catch (InvalidDataException e)
        {
            throw OvfFile.Invalid(file.Path, "it " + e.Message, e);
        }
        OvfFile ovf = OvfFile.Parse(file.Path, text);
        List<FolderImage> images = [.. ovf.Disks.Select(d => OfPackage(d,
            ContainedFile.Find(folder, d.FileName, file.Path)
                ?? throw OvfFile.Invalid(file.Path, $"there is no file '{d.FileName}', the image of disk '{d.Id}'"),
            null))];
        return Of(folder, kind, ovf, images, IdentityOfPath(folder, kind), NameOf(folder));
    }

    private static FolderAppliance ReadOva(string folder, string kind, ContainedFile file, bool ofFolder)
    {
        using RawDiskSource archive = RawDiskSource.Open(file);
        // Reads of a file are done when they return.
        (OvfFile ovf, IReadOnlyDictionary<string, Extent> members) =
            OvaFile.ReadAsync(archive, CancellationToken.None).GetAwaiter().GetResult();
        List<FolderImage> images =
            [.. ovf.Disks.Select(d => OfPackage(d, file, OvaFile.ImageOf(archive, members, d)))];
        string name = ofFolder ? NameOf(folder) : Path.GetFileNameWithoutExtension(file.Path);
        return Of(folder, kind, ovf, images, IdentityOfPath(ofFolder ? folder : file.Path, kind), name);
    }

    private static FolderImage OfPackage(OvfDisk disk, ContainedFile file, Extent? member)
    {
        ImageFormat byName = ImageFormats.FromName(disk.FileName);
        return new FolderImage(disk.Id, file, DiskRole.Unknown,
            byName == ImageFormat.Unknown ? ImageFormat.Raw : byName, IsFormatStated: false, StatedChanges: null)
        {
            Member = member,
            SizeBytes = disk.SizeBytes,
        };
    }

    private static FolderAppliance Of(string folder, string kind, OvfFile ovf, List<FolderImage> images,
        string identity, string name) =>
        new(folder, new ApplianceDescription
        {
            ApplianceId = identity,
            Name = ovf.Name ?? name,
            HypervisorKind = kind,
            NativeId = null,
            ProcessorCount = ovf.ProcessorCount,
            MemoryBytes = ovf.MemoryBytes,
            Networks = ovf.Networks,
            Disks = [.. images.Select(i => new ApplianceDisk(i.DiskId, i.Role, i.SizeBytes, i.File.Path))],
            NativeFormat = "ovf",
            NativeConfiguration = ovf.Text,
        }, AreDisksDescribed: false, [], images);

    private static ApplianceDescription Describe(string folder, string kind, DescriptionFile? description,
        List<FolderImage> images) =>
        new()
        {
            ApplianceId = description?.Id is string id
                ? ApplianceIdentity.Create(kind, "", id)
                : IdentityOfPath(folder, kind),
            Name = description?.Name ?? NameOf(folder),
            HypervisorKind = kind,
            NativeId = description?.Id,
            ProcessorCount = description?.ProcessorCount,
            MemoryBytes = description?.MemoryBytes,
            Networks = description?.Networks ?? [],
            Disks = [.. images
            .Select(i => new ApplianceDisk(i.DiskId, i.Role,
                i.SizeBytes ?? (i.Format is ImageFormat.Raw ? i.File.GetLength() : null), i.File.Path))],
            NativeFormat = description is null ? null : DescriptionFile.FileName,
            NativeConfiguration = description?.Text,
        };

    /// <summary>
    /// The id of a VM that states none: made of the real path of its folder. Two folders of one name must never share a
    /// history, because retention would then remove the points of one in favour of the other; a folder that moves
    /// merely begins a new one, and a description with an id ends that.
    /// </summary>
    private static string IdentityOfPath(string path, string kind)
    {
        string real = RealPath.Of(path) ?? path;
        // The identity ignores case, which tells folders apart on most systems; as hexadecimal digits it survives.
        string exact = RealPath.Comparison == StringComparison.Ordinal
            ? BitConverter.ToString(Encoding.UTF8.GetBytes(real))
            : real;
        return ApplianceIdentity.Create(kind, "folder", exact);
    }

    private static string NameOf(string folder)
    {
        string name = new DirectoryInfo(folder).Name;
        return name.Length == 0 ? folder : name;
    }

    private static List<FolderImage> DescribedImages(string folder, string descriptionPath,
        IReadOnlyList<DescribedDisk> disks)
    {
        var images = new List<FolderImage>();
        foreach (DescribedDisk disk in disks)
        {
            ContainedFile file = ContainedFile.Find(folder, disk.Path, descriptionPath)
                ?? throw DescriptionFile.Invalid(descriptionPath,
                Directory.Exists(ContainedFile.Show(folder, disk.Path))
                    ? $"'{disk.Path}', the image of disk '{disk.Id}', is a folder"
                    : $"there is no file '{disk.Path}', the image of disk '{disk.Id}'");
            if (images.Find(i => i.File.IsSameAs(file)) is FolderImage other)
                throw DescriptionFile.Invalid(descriptionPath,
                    $"the disks '{other.DiskId}' and '{disk.Id}' share the image '{disk.Path}'");
            if (disk.Changes is not null) ContainedFile.Find(folder, disk.Changes, descriptionPath);
            ImageFormat byName = ImageFormats.FromName(file.Path);
            images.Add(new FolderImage(disk.Id, file, disk.Role,
                disk.Format ?? (byName == ImageFormat.Unknown ? ImageFormat.Raw : byName), disk.Format is not null,
                disk.Changes));
            // Only a raw image is as long as the disk in it.
            FolderImage last = images[images.Count - 1];
            images[images.Count - 1] = last with { SizeBytes = Probe(file, last.Format)?.SizeBytes };
        }
        return images;
    }

    private static List<FolderImage> FoundImages(string folder)
    {
        var images = new List<FolderImage>();
        var used = new HashSet<string>(RealPath.Comparer);
        foreach (string path in Directory.GetFiles(folder).OrderBy(p => p, StringComparer.Ordinal))
        {
            if (ImageFormats.FromName(path) is var format and not ImageFormat.Unknown)
            {
                string name = Path.GetFileName(path);
                ContainedFile file = ContainedFile.Find(folder, name, folder)
                    ?? throw new FileNotFoundException($"The link '{path}' leads nowhere.", path);
                ImageProbe? probe = Probe(file, format);
                used.UnionWith(FilesOf(probe).Where(f => !RealPath.Comparer.Equals(f, name)));
                images.Add(new FolderImage(name, file, DiskRole.Unknown, format, IsFormatStated: false,
                    StatedChanges: null)
                {
                    SizeBytes = probe?.SizeBytes,
                });
            }
        }
        // What another image needs is a part of that one's disk, and no disk of its own.
        List<FolderImage> disks = images.FindAll(i => !used.Contains(i.DiskId));
        return disks.Count > 0 ? disks : images;
    }

    /// <summary>What an image says of itself; null for a raw one, and for one that cannot be read: freezing tells
    /// why.</summary>
    private static ImageProbe? Probe(ContainedFile file, ImageFormat format)
    {
        if (format == ImageFormat.Raw || !DiskImages.CanRead(format)) return null;
        try
        {
            using RawDiskSource image = RawDiskSource.OpenShared(file);
            DetectedImage? seen = ImageFormats.DetectAsync(image, format, CancellationToken.None).GetAwaiter()
                .GetResult();
            return seen?.Format == format
                ? DiskImages.ProbeAsync(image, format, CancellationToken.None).GetAwaiter().GetResult()
                : null;
        }
        catch (NataliaException)
        {
            return null;
        }
    }

    /// <summary>The names of other files beside an image that it needs.</summary>
    private static IEnumerable<string> FilesOf(ImageProbe? probe)
    {
        if (probe is null) return [];
        IEnumerable<string?> stated = [.. probe.Parts, probe.Parent?.RelativePath, probe.Parent?.AbsolutePath];
        return stated.OfType<string>().Select(p => p.Split('/', '\\').Last());
    }
}
