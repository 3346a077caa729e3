using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>The system disk in an OVA, read where it lies; nothing is unpacked.</summary>
public static class OvaSystemDisk
{
    private const int Sector = 512;

    /// <summary>Where POSIX archives say that they are some, after the fields that all archives have.</summary>
    private const int MarkOffset = 257;

    private static readonly byte[] s_mark = Encoding.ASCII.GetBytes("ustar");

    /// <summary>Whether a file is an archive, or is called an OVA.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    public static async Task<bool> IsOvaAsync(RawDiskSource file, CancellationToken cancellationToken)
    {
        if (ApplianceFolder.IsOva(file.Path)) return true;
        if (file.SizeBytes < Sector) return false;
        byte[] mark = new byte[s_mark.Length];
        await file.ReadAsync(MarkOffset, mark, cancellationToken).ConfigureAwait(false);
        return mark.AsSpan().SequenceEqual(s_mark);
    }

    /// <summary>
    /// Opens the disk of an OVA that a VM boots from: the only one with an image, or the only one of these with a boot
    /// record.
    /// </summary>
    /// <param name="archive">The OVA, which stays open as long as the disk, and is the caller's to close.</param>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>: the OVA is damaged, or it does not say
    /// which disk it is; <c>DiskFormatNotSupported</c>, <c>DiskImageInvalid</c>, <c>DiskReadFailed</c>.</exception>
    public static async Task<IDiskSource> OpenAsync(RawDiskSource archive, CancellationToken cancellationToken)
    {
        (OvfFile description, IReadOnlyDictionary<string, Extent> members) =
            await OvaFile.ReadAsync(archive, cancellationToken).ConfigureAwait(false);
        OvfDisk disk = await ChooseAsync(archive, description, members, cancellationToken).ConfigureAwait(false);
        return await OpenAsync(archive, members, disk, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Holds that disk's image, and the description that chose it, against the digests of the OVA's manifest. The image
    /// is read to its end. An OVA without a manifest has nothing to compare with.
    /// </summary>
    /// <param name="archive">The OVA.</param>
    /// <exception cref="NataliaException"><c>SystemImageDamaged</c>; as <see cref="OpenAsync(RawDiskSource,
    /// CancellationToken)"/>.</exception>
    public static async Task VerifyAsync(RawDiskSource archive, CancellationToken cancellationToken)
    {
        (OvfFile description, IReadOnlyDictionary<string, Extent> members) =
            await OvaFile.ReadAsync(archive, cancellationToken).ConfigureAwait(false);
        OvfDisk disk = await ChooseAsync(archive, description, members, cancellationToken).ConfigureAwait(false);
        string text = members.Keys.Single(k => k.EndsWith(".ovf", StringComparison.OrdinalIgnoreCase));
        await OvaManifest.VerifyAsync(archive, members, text, disk.FileName, cancellationToken)
            .ConfigureAwait(false);
    }

    private static async Task<OvfDisk> ChooseAsync(RawDiskSource archive, OvfFile description,
        IReadOnlyDictionary<string, Extent> members, CancellationToken cancellationToken)
    {
        if (description.Disks.Count == 0) throw OvaFile.Invalid(archive, "no disk of its VM has an image");
        if (description.Disks.Count == 1) return description.Disks[0];
        var booting = new List<OvfDisk>();
        foreach (OvfDisk disk in description.Disks)
        {
            using IDiskSource image =
                await OpenAsync(archive, members, disk, cancellationToken).ConfigureAwait(false);
            if (await HasBootRecordAsync(image, cancellationToken).ConfigureAwait(false)) booting.Add(disk);
        }
        if (booting.Count != 1)
            throw OvaFile.Invalid(archive, $"its VM has {description.Disks.Count} disks with an image, and "
                + $"{booting.Count} of these have a boot record, so that nobody can tell which is the system disk");
        return booting[0];
    }

    private static async Task<IDiskSource> OpenAsync(RawDiskSource archive,
        IReadOnlyDictionary<string, Extent> members, OvfDisk disk, CancellationToken cancellationToken)
    {
        Extent member = OvaFile.ImageOf(archive, members, disk);
        if (member.Length == 0) throw OvaFile.Invalid(archive, $"the image '{disk.FileName}' in it is empty");
        var image = new DiskWindow(archive, member, $"{archive.Path} ({disk.FileName})", closesFile: false);
        ImageFormat named = ImageFormats.FromName(disk.FileName);
        DetectedImage? seen = await ImageFormats.DetectAsync(image, named, cancellationToken).ConfigureAwait(false);
        ImageFormat format = seen?.Format ?? ImageFormat.Raw;
        bool isAsNamed = format == named || named is ImageFormat.Raw or ImageFormat.Unknown;
        if (!isAsNamed || !DiskImages.CanRead(format))
            throw OvaFile.Invalid(archive, $"the image '{disk.FileName}' in it is "
                + (seen?.Description ?? "none of the format that its name says"));
        return await DiskImages.OpenAsync(image, format, null, null, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<bool> HasBootRecordAsync(IDiskSource disk, CancellationToken cancellationToken)
    {
        if (disk.SizeBytes < Sector) return false;
        byte[] mark = new byte[2];
        await disk.ReadAsync(Sector - mark.Length, mark, cancellationToken).ConfigureAwait(false);
        return mark[0] == 0x55 && mark[1] == 0xAA;
    }
}
