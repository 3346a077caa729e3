namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>How a disk image is laid out.</summary>
internal enum ImageFormat
{
    Unknown = 0,
    Raw,
    Vhdx,
    Vhd,
    Vmdk,
    Qcow2,
}

/// <summary>Recognises disk images, by their names and by their first bytes.</summary>
internal static class ImageFormats
{
    /// <summary>How many bytes <see cref="FromFirstBytes"/> wants to see.</summary>
    internal const int FirstBytes = 32;

    private static readonly (byte[] Bytes, ImageFormat Format)[] s_signatures =
    [
        ("vhdxfile"u8.ToArray(), ImageFormat.Vhdx),
        ("conectix"u8.ToArray(), ImageFormat.Vhd),
        ("KDMV"u8.ToArray(), ImageFormat.Vmdk),
        ("# Disk DescriptorFile"u8.ToArray(), ImageFormat.Vmdk),
        ([(byte)'Q', (byte)'F', (byte)'I', 0xFB], ImageFormat.Qcow2),
    ];

    /// <summary>The format that a file's name promises; Unknown when it does not look like an image.</summary>
    internal static ImageFormat FromName(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".raw" or ".img" => ImageFormat.Raw,
        ".vhdx" or ".avhdx" => ImageFormat.Vhdx,
        ".vhd" => ImageFormat.Vhd,
        ".vmdk" => ImageFormat.Vmdk,
        ".qcow2" => ImageFormat.Qcow2,
        _ => ImageFormat.Unknown,
    };

    /// <summary>The format that a file's beginning betrays; Raw when nothing speaks against it.</summary>
    internal static ImageFormat FromFirstBytes(ReadOnlySpan<byte> bytes)
    {
        foreach ((byte[] signature, ImageFormat format) in s_signatures)
        {
            if (bytes.StartsWith(signature)) return format;
        }
        return ImageFormat.Raw;
    }

    /// <summary>The format that a description names, or null.</summary>
    internal static ImageFormat? Parse(string name) => name.ToLowerInvariant() switch
    {
        "raw" => ImageFormat.Raw,
        "vhdx" => ImageFormat.Vhdx,
        "vhd" => ImageFormat.Vhd,
        "vmdk" => ImageFormat.Vmdk,
        "qcow2" => ImageFormat.Qcow2,
        _ => null,
    };
}
