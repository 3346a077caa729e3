using System.Text;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Recognises disk images by their names and by their content. A raw disk has no mark of its own: it is what shows no
/// mark of anything else. Signatures are those of the formats' specifications and of <c>file(1)</c>'s database.
/// </summary>
public static class ImageFormats
{
    /// <summary>
    /// How many bytes of a file's beginning <see cref="Detect"/> wants to see; the whole file where it is shorter.
    /// </summary>
    public const int FirstBytes = 4096;

    /// <summary>
    /// How many bytes of a file's end <see cref="Detect"/> wants to see; the whole file where it is shorter.
    /// </summary>
    public const int LastBytes = 64 * 1024;

    private const int Sector = 512;

    private static readonly byte[] s_vhd = Ascii("conectix"), s_dmg = Ascii("koly");

    /// <summary>
    /// A LUKS header is none of them: a guest that encrypts a whole disk writes it, and the disk is raw all the same.
    /// </summary>
    private static readonly (int Offset, byte[] Bytes, ImageFormat Format, string Description)[] s_signatures =
    [
        (0, Ascii("vhdxfile"), ImageFormat.Vhdx, "a VHDX image"),
        (0, s_vhd, ImageFormat.Vhd, "a VHD image of growing size"),
        (0, Ascii("KDMV"), ImageFormat.Vmdk, "a VMDK image"),
        (0, Ascii("COWD"), ImageFormat.Vmdk, "a VMDK image of an ESX host"),
        (0, [0xBE, 0xBA, 0xFE, 0xCA, 0, 0, 0, 0], ImageFormat.Vmdk, "a VMDK image (SE sparse)"),
        (0, [(byte)'Q', (byte)'F', (byte)'I', 0xFB, 0, 0, 0, 1], ImageFormat.Qcow, "a QCOW image"),
        (0, [(byte)'Q', (byte)'F', (byte)'I', 0xFB], ImageFormat.Qcow2, "a QCOW2 image"),
        (0, Ascii("QED\0"), ImageFormat.Qed, "a QED image"),
        (64, [0x7F, 0x10, 0xDA, 0xBE], ImageFormat.Vdi, "a VDI image"),
        (0, Ascii("WithoutFreeSpace"), ImageFormat.Parallels, "a Parallels image"),
        (0, Ascii("WithouFreSpacExt"), ImageFormat.Parallels, "a Parallels image"),
        (0, Ascii("VMA\0"), ImageFormat.Container, "a backup of Proxmox VE (VMA)"),
        (0, Ascii("rbd image v"), ImageFormat.Container, "an export of Ceph (rbd export)"),
        (0, Ascii("rbd diff v"), ImageFormat.Container, "a list of changes of Ceph (rbd export-diff)"),
        (8, [0xAC, 0xCB, 0xBA, 0xF5, 2, 0, 0, 0], ImageFormat.Container, "a ZFS stream (zfs send)"),
        (0, Ascii("btrfs-stream\0"), ImageFormat.Container, "a Btrfs stream (btrfs send)"),
        (0, Ascii("partclone-image"), ImageFormat.Container, "an image of partclone"),
        (0, Ascii("\0ntfsclone-image"), ImageFormat.Container, "an image of ntfsclone"),
        (0, Ascii("MSWIM\0\0\0"), ImageFormat.Container, "a Windows image (WIM)"),
        (0, [(byte)'E', (byte)'V', (byte)'F', 9, 0x0D, 0x0A, 0xFF, 0], ImageFormat.Container, "an EnCase image"),
        (257, Ascii("ustar"), ImageFormat.Container, "a tar archive (an OVA is one)"),
        (0, [(byte)'P', (byte)'K', 3, 4], ImageFormat.Container, "a ZIP archive"),
        (0, [(byte)'7', (byte)'z', 0xBC, 0xAF, 0x27, 0x1C], ImageFormat.Container, "a 7-Zip archive"),
        (0, [(byte)'R', (byte)'a', (byte)'r', (byte)'!', 0x1A, 7], ImageFormat.Container, "a RAR archive"),
        (0, [0x1F, 0x8B, 8], ImageFormat.Container, "a file compressed by gzip"),
        (0, [0x28, 0xB5, 0x2F, 0xFD], ImageFormat.Container, "a file compressed by zstd"),
        (0, [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0], ImageFormat.Container, "a file compressed by xz"),
        (0, [4, 0x22, 0x4D, 0x18], ImageFormat.Container, "a file compressed by lz4"),
        (0, [0x89, (byte)'L', (byte)'Z', (byte)'O', 0, 0x0D, 0x0A, 0x1A, 0x0A], ImageFormat.Container,
            "a file compressed by lzop"),
        (4, [0x31, 0x41, 0x59, 0x26, 0x53, 0x59], ImageFormat.Container, "a file compressed by bzip2"),
    ];

    /// <summary>The format that a file's name promises; Unknown when it does not look like an image.</summary>
    /// <param name="path">The path or name.</param>
    public static ImageFormat FromName(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".raw" or ".img" => ImageFormat.Raw,
        ".vhdx" or ".avhdx" => ImageFormat.Vhdx,
        ".vhd" or ".avhd" => ImageFormat.Vhd,
        ".vmdk" => ImageFormat.Vmdk,
        ".qcow2" => ImageFormat.Qcow2,
        ".qcow" => ImageFormat.Qcow,
        ".qed" => ImageFormat.Qed,
        ".vdi" => ImageFormat.Vdi,
        _ => ImageFormat.Unknown,
    };

    /// <summary>The format that a description names, or null.</summary>
    /// <param name="name">Its name, in any case.</param>
    public static ImageFormat? Parse(string name) => name.ToLowerInvariant() switch
    {
        "raw" => ImageFormat.Raw,
        "vhdx" => ImageFormat.Vhdx,
        "vhd" => ImageFormat.Vhd,
        "vmdk" => ImageFormat.Vmdk,
        "qcow2" => ImageFormat.Qcow2,
        "qcow" => ImageFormat.Qcow,
        "qed" => ImageFormat.Qed,
        "vdi" => ImageFormat.Vdi,
        "parallels" => ImageFormat.Parallels,
        _ => null,
    };

    /// <summary>What the content of an image shows it to be; null when nothing speaks against a raw disk.</summary>
    /// <param name="image">The image's file, read byte for byte.</param>
    /// <param name="named">What its name or its user says it is; Unknown where nothing does.</param>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    public static async Task<DetectedImage?> DetectAsync(IDiskSource image, ImageFormat named,
        CancellationToken cancellationToken)
    {
        var first = new byte[(int)Math.Min(FirstBytes, image.SizeBytes)];
        var last = new byte[(int)Math.Min(LastBytes, image.SizeBytes)];
        await image.ReadAsync(0, first, cancellationToken).ConfigureAwait(false);
        await image.ReadAsync(image.SizeBytes - last.Length, last, cancellationToken).ConfigureAwait(false);
        return Detect(first, last, image.SizeBytes, named);
    }

    /// <summary>
    /// What both ends of a file show it to be; null when nothing speaks against a raw disk. The beginning of a fixed
    /// VHD is what its guest wrote there, also another image: where the end shows such a VHD, its name decides, and
    /// without one it is of no known format.
    /// </summary>
    /// <param name="first">Its first bytes.</param>
    /// <param name="last">Its last bytes.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <param name="named">What its name or its user says it is; Unknown where nothing does.</param>
    public static DetectedImage? Detect(ReadOnlySpan<byte> first, ReadOnlySpan<byte> last, long length,
        ImageFormat named)
    {
        DetectedImage? beginning = DetectBeginning(first);
        if (beginning?.Format == ImageFormat.Vhd) return beginning;
        if (HasVhdFooter(last, length))
        {
            if (beginning is null || named == ImageFormat.Vhd)
                return new DetectedImage(ImageFormat.Vhd, "a VHD image of fixed size, as the end of the file shows");
            return beginning.Format == named
                ? beginning
                : new DetectedImage(ImageFormat.Unknown,
                    $"{beginning.Description} by its beginning, and a VHD image of fixed size by its end");
        }
        return beginning ?? (last.Length >= Sector && last.Slice(last.Length - Sector).StartsWith(s_dmg)
            ? new DetectedImage(ImageFormat.Container, "an Apple disk image (DMG), as the end of the file shows")
            : null);
    }

    private static DetectedImage? DetectBeginning(ReadOnlySpan<byte> first)
    {
        foreach ((int offset, byte[] bytes, ImageFormat format, string description) in s_signatures)
        {
            if (first.Length > offset && first.Slice(offset).StartsWith(bytes))
                return new DetectedImage(format, description);
        }
        return IsVmdkText(first)
            ? new DetectedImage(ImageFormat.Vmdk, "the description of a VMDK image, whose bytes are in other files")
            : null;
    }

    /// <summary>
    /// People edit these by hand: blank lines, other cases and a byte order mark come before the line that tells.
    /// </summary>
    private static bool IsVmdkText(ReadOnlySpan<byte> first)
    {
        string beginning = Encoding.UTF8.GetString(first.Slice(0, Math.Min(first.Length, 256)).ToArray());
        return beginning.TrimStart('\uFEFF', ' ', '\t', '\r', '\n')
            .StartsWith("# Disk DescriptorFile", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>
    /// A fixed VHD is a raw disk with a footer of 512 bytes behind it (511 by the oldest Virtual PC). Some tools fill
    /// the file up with zeros after that.
    /// </summary>
    private static bool HasVhdFooter(ReadOnlySpan<byte> last, long length)
    {
        if (last.Length >= Sector - 1 && last.Slice(last.Length - Sector + 1).StartsWith(s_vhd)) return true;
        // The last sector that holds anything, by the sectors of the disk and not of the end.
        long start = length - last.Length;
        for (long at = (length - 1) / Sector * Sector; at >= start; at -= Sector)
        {
            ReadOnlySpan<byte> rest = last.Slice((int)(at - start));
            if (rest.StartsWith(s_vhd)) return true;
            if (!ZeroTest.IsZero(rest.Slice(0, Math.Min(Sector, rest.Length)))) return false;
        }
        return false;
    }

    private static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);
}
