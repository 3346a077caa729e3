using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>The header that counts: of the two in a file, the valid one with the higher sequence number.</summary>
internal sealed record VhdxHeader
{
    private static readonly byte[] s_signature = Encoding.ASCII.GetBytes("head");

    internal required ulong SequenceNumber { get; init; }
    /// <summary>Changes when the disk's data does; a child names its parent by it.</summary>
    internal required Guid DataWriteGuid { get; init; }
    /// <summary>Of the log entries that are to be replayed; empty where there are none.</summary>
    internal required Guid LogGuid { get; init; }
    internal required long LogOffset { get; init; }
    internal required long LogLength { get; init; }

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static async ValueTask<VhdxHeader> ReadAsync(ImageFault image, CancellationToken cancellationToken)
    {
        byte[] one = await image.ReadAsync(VhdxFormat.HeaderOffset1, VhdxFormat.HeaderBytes, "its first header",
            cancellationToken).ConfigureAwait(false);
        byte[] two = await image.ReadAsync(VhdxFormat.HeaderOffset2, VhdxFormat.HeaderBytes, "its second header",
            cancellationToken).ConfigureAwait(false);
        VhdxHeader? first = Parse(image, one), second = Parse(image, two);
        if (first is null && second is null) throw image.Invalid("neither of its two headers is intact");
        if (first is null || second is null) return (first ?? second)!;
        if (first.SequenceNumber != second.SequenceNumber)
            return first.SequenceNumber > second.SequenceNumber ? first : second;
        return one.AsSpan().SequenceEqual(two) ? first : throw image.Invalid("its two headers contradict each other");
    }

    /// <summary>Null when it is not intact, which one of the two may be after a power failure.</summary>
    private static VhdxHeader? Parse(ImageFault image, byte[] bytes)
    {
        if (!bytes.AsSpan().StartsWith(s_signature) || !VhdxFormat.IsIntact(bytes, 4)) return null;
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(66)) is var version and not 1)
            throw image.NotSupported($"is of version {version} of the format, and only 1 is known");
        var header = new VhdxHeader
        {
            SequenceNumber = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8)),
            DataWriteGuid = VhdxFormat.ReadGuid(bytes.AsSpan(32)),
            LogGuid = VhdxFormat.ReadGuid(bytes.AsSpan(48)),
            LogLength = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(68)),
            LogOffset = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(72)),
        };
        if (header.LogGuid != Guid.Empty
            && BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(64)) is var log and not 0)
            throw image.NotSupported($"has a log of version {log}, and only 0 is known");
        return header;
    }
}
