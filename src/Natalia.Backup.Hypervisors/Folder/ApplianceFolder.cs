using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>Reads one VM out of its folder.</summary>
internal static class ApplianceFolder
{
    internal const string Kind = "Folder";

    /// <summary>The VM in a folder; null when the folder holds neither a description nor an image.</summary>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>, <c>PathNotContained</c>.</exception>
    internal static FolderAppliance? Read(string folder, string kind)
    {
        try
        {
            DescriptionFile? description = DescriptionFile.Read(folder);
            List<FolderImage> images = description?.Disks is IReadOnlyList<DescribedDisk> disks
                ? DescribedImages(folder, Path.Combine(folder, DescriptionFile.FileName), disks)
                : FoundImages(folder);
            if (description is null && images.Count == 0) return null;
            return new FolderAppliance(folder, Describe(folder, kind, description, images),
                description?.Disks is not null, images);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.ReadFailed,
                $"The folder '{folder}' cannot be read: {e.Message}", folder,
                "Check the folder and this user's access to it.", e);
        }
    }

    private static ApplianceDescription Describe(string folder, string kind, DescriptionFile? description,
        List<FolderImage> images) =>
        new()
        {
            ApplianceId = description?.Id is string id
                ? ApplianceIdentity.Create(kind, "", id)
                : IdentityOfFolder(folder, kind),
            Name = description?.Name ?? NameOf(folder),
            HypervisorKind = kind,
            NativeId = description?.Id,
            ProcessorCount = description?.ProcessorCount,
            MemoryBytes = description?.MemoryBytes,
            Networks = description?.Networks ?? [],
            Disks = [.. images
            .Select(i => new ApplianceDisk(i.DiskId, i.Role, i.Format is ImageFormat.Raw ? i.File.GetLength() : null,
                i.File.Path))],
            NativeFormat = description is null ? null : DescriptionFile.FileName,
            NativeConfiguration = description?.Text,
        };

    /// <summary>
    /// The id of a VM that states none: made of the real path of its folder. Two folders of one name must never share a
    /// history, because retention would then remove the points of one in favour of the other; a folder that moves
    /// merely begins a new one, and a description with an id ends that.
    /// </summary>
    private static string IdentityOfFolder(string folder, string kind)
    {
        string real = RealPath.Of(folder) ?? folder;
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
        }
        return images;
    }

    private static List<FolderImage> FoundImages(string folder)
    {
        var images = new List<FolderImage>();
        foreach (string path in Directory.GetFiles(folder).OrderBy(p => p, StringComparer.Ordinal))
        {
            if (ImageFormats.FromName(path) is var format and not ImageFormat.Unknown)
            {
                string name = Path.GetFileName(path);
                ContainedFile file = ContainedFile.Find(folder, name, folder)
                    ?? throw new FileNotFoundException($"The link '{path}' leads nowhere.", path);
                images.Add(new FolderImage(name, file, DiskRole.Unknown, format, IsFormatStated: false,
                    StatedChanges: null));
            }
        }
        return images;
    }
}
