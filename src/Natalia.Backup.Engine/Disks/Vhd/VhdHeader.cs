using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vhd;

/// <summary>Where a VHD file that is not fixed has its blocks, and what it says of a parent.</summary>
internal sealed record VhdHeader
{
    private const int MostPathBytes = 64 * 1024;

    private static readonly byte[] s_cookie = Encoding.ASCII.GetBytes("cxsparse"),
        s_relative = Encoding.ASCII.GetBytes("W2ru"), s_absolute = Encoding.ASCII.GetBytes("W2ku");

    internal required long TableOffset { get; init; }
    internal required long BlockBytes { get; init; }
    internal required Guid ParentId { get; init; }
    internal required string ParentName { get; init; }
    internal required IReadOnlyList<VhdLocator> Locators { get; init; }

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static async ValueTask<VhdHeader> ReadAsync(ImageFault image, VhdFooter footer,
        CancellationToken cancellationToken)
    {
        byte[] header = await image.ReadAsync(footer.HeaderOffset, VhdFormat.HeaderBytes, "its dynamic header",
            cancellationToken).ConfigureAwait(false);
        if (!header.AsSpan().StartsWith(s_cookie) || !VhdFormat.IsIntact(header, 36))
            throw image.Invalid("its dynamic header is not intact");
        if (BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(24)) is var version and not 1)
            throw image.NotSupported($"has a dynamic header of version {version}, and only 1 is known");
        long table = BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(16));
        long entries = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(28));
        uint block = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(32));
        if (block is < VhdFormat.Sector * 8 or > VhdFormat.MostBlockBytes || (block & (block - 1)) != 0)
            throw image.Invalid($"its blocks are said to have {block} bytes");
        if (entries < (footer.SizeBytes + block - 1) / block)
            throw image.Invalid($"its table has {entries} entries, which are too few for its disk");
        long needed = (footer.SizeBytes + block - 1) / block * sizeof(uint);
        if (table < 0 || table % VhdFormat.Sector != 0 || table > image.File.SizeBytes - needed)
            throw image.Invalid($"its table is said to be at {table}, which is no place inside the file");
        return new VhdHeader
        {
            TableOffset = table,
            BlockBytes = block,
            ParentId = VhdFormat.ReadGuid(header.AsSpan(40)),
            ParentName = Encoding.BigEndianUnicode.GetString(header, 64, 512).TrimEnd('\0'),
            Locators = [.. FindLocators(image, header, footer)],
        };
    }

    private static IEnumerable<VhdLocator> FindLocators(ImageFault image, byte[] header, VhdFooter footer)
    {
        if (footer.Type != VhdFormat.Differencing) yield break;
        for (int at = 576; at < 576 + 8 * 24; at += 24)
        {
            bool isRelative = header.AsSpan(at).StartsWith(s_relative);
            if (!isRelative && !header.AsSpan(at).StartsWith(s_absolute)) continue;
            uint length = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(at + 8));
            if (length > MostPathBytes) throw image.Invalid($"the path of its parent is said to have {length} bytes");
            yield return new VhdLocator(isRelative, BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(at + 16)),
                (int)length);
        }
    }
}

/// <summary>Where in a file a path of its parent is written, in UTF-16.</summary>
internal sealed record VhdLocator(bool IsRelative, long Offset, int Length);
