using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vhd;

/// <summary>What stands at the end of a VHD file, and once more at the beginning of all but fixed ones.</summary>
internal sealed record VhdFooter(uint Type, long SizeBytes, long HeaderOffset, Guid UniqueId)
{
    /// <summary>Some tools fill the file up with zeros behind the footer.</summary>
    private const int LastBytes = ImageFormats.LastBytes;

    private static readonly byte[] s_cookie = Encoding.ASCII.GetBytes("conectix");

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static async ValueTask<VhdFooter> ReadAsync(ImageFault image, CancellationToken cancellationToken)
    {
        int length = (int)Math.Min(LastBytes, image.File.SizeBytes);
        long start = image.File.SizeBytes - length;
        byte[] last = await image.ReadAsync(start, length, "its end", cancellationToken).ConfigureAwait(false);
        byte[] first = await image.ReadAsync(0, Math.Min(length, VhdFormat.FooterBytes), "its beginning",
            cancellationToken).ConfigureAwait(false);
        return FindLast(image, last) ?? Parse(image, first)
            ?? throw image.Invalid("it has no intact footer, neither at its end nor at its beginning");
    }

    /// <summary>The footer has 512 bytes, or 511 where the oldest Virtual PC wrote it.</summary>
    private static VhdFooter? FindLast(ImageFault image, byte[] last)
    {
        if (last.Length >= VhdFormat.FooterBytes - 1
            && last.AsSpan(last.Length - VhdFormat.FooterBytes + 1).StartsWith(s_cookie))
            return Parse(image, [.. last.AsSpan(last.Length - VhdFormat.FooterBytes + 1).ToArray(), 0]);
        int over = (int)(image.File.SizeBytes % VhdFormat.Sector);
        for (int at = last.Length - over - VhdFormat.FooterBytes; at >= 0; at -= VhdFormat.Sector)
        {
            if (last.AsSpan(at).StartsWith(s_cookie))
                return Parse(image, last.AsSpan(at, VhdFormat.FooterBytes).ToArray());
            if (!ZeroTest.IsZero(last.AsSpan(at, VhdFormat.FooterBytes))) return null;
        }
        return null;
    }

    private static VhdFooter? Parse(ImageFault image, byte[] footer)
    {
        if (footer.Length < VhdFormat.FooterBytes || !footer.AsSpan().StartsWith(s_cookie)
            || !VhdFormat.IsIntact(footer, 64))
            return null;
        if (BinaryPrimitives.ReadUInt16BigEndian(footer.AsSpan(12)) is var version and not 1)
            throw image.NotSupported($"is of version {version} of the format, and only 1 is known");
        uint type = BinaryPrimitives.ReadUInt32BigEndian(footer.AsSpan(60));
        if (type is not (VhdFormat.Fixed or VhdFormat.Dynamic or VhdFormat.Differencing))
            throw image.NotSupported($"is of type {type}, and only fixed, dynamic and differencing ones are known");
        long size = BinaryPrimitives.ReadInt64BigEndian(footer.AsSpan(48));
        if (size is <= 0 or > VhdFormat.MostBytes || size % VhdFormat.Sector != 0)
            throw image.Invalid($"its disk is said to have {(ulong)size} bytes");
        return new VhdFooter(type, size, BinaryPrimitives.ReadInt64BigEndian(footer.AsSpan(16)),
            VhdFormat.ReadGuid(footer.AsSpan(68)));
    }
}
