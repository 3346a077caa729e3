using System.Buffers.Binary;

namespace Natalia.Backup.Engine.Format;

/// <summary>One line of an envelope's segment table.</summary>
/// <param name="Ordinal">The segment's number in its object; also its nonce.</param>
/// <param name="PlainLength">Its length in bytes before compression and sealing.</param>
/// <param name="SealedLength">Its length in bytes as stored.</param>
/// <param name="Codec">How it is compressed.</param>
internal readonly record struct SegmentEntry(int Ordinal, int PlainLength, int SealedLength, Codec Codec);

/// <summary>
/// The part of an object before its segments: fixed fields, plaintext header, segment table. The layout is in
/// docs/format.md §3.
/// </summary>
internal sealed class Envelope
{
    internal const int FixedLength = 48;
    internal const int TableEntryLength = 16;
    internal const int TrailerLength = 32;
    internal const int CurrentVersion = 1;

    /// <summary>Ceilings on what a reader allocates for an object that may be hostile.</summary>
    internal const int MaximumHeaderLength = 64 << 20;
    internal const int MaximumSegments = 1 << 20;
    internal const int MaximumSegmentLength = 16 << 20;

    internal static ReadOnlySpan<byte> Magic => [0x89, (byte)'N', (byte)'A', (byte)'T', 0x0D, 0x0A, 0x1A, 0x0A];

    internal required ObjectKind Kind { get; init; }
    internal required Cipher Cipher { get; init; }
    internal required Id128 Id { get; init; }
    internal required byte[] Header { get; init; }
    internal required SegmentEntry[] Segments { get; init; }

    /// <summary>Where the first segment begins.</summary>
    internal long BodyOffset => FixedLength + Header.Length + (long)TableEntryLength * Segments.Length;

    internal long BodyLength
    {
        get
        {
            long sum = 0;
            foreach (SegmentEntry segment in Segments) sum += segment.SealedLength;
            return sum;
        }
    }

    /// <summary>The length of the whole object.</summary>
    internal long ObjectLength => BodyOffset + BodyLength + TrailerLength;

    /// <summary>Everything before the segments, as stored.</summary>
    internal byte[] EncodePrefix()
    {
        var bytes = new byte[checked((int)BodyOffset)];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), CurrentVersion);
        bytes[10] = (byte)Kind;
        bytes[11] = (byte)Cipher;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), (uint)Header.Length);
        Id.Write(bytes.AsSpan(16));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(32), (uint)Segments.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(40), (ulong)BodyLength);
        Header.CopyTo(bytes.AsSpan(FixedLength));
        Span<byte> table = bytes.AsSpan(FixedLength + Header.Length);
        foreach (SegmentEntry segment in Segments)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(table, (uint)segment.Ordinal);
            BinaryPrimitives.WriteUInt32LittleEndian(table.Slice(4), (uint)segment.PlainLength);
            BinaryPrimitives.WriteUInt32LittleEndian(table.Slice(8), (uint)segment.SealedLength);
            table[12] = (byte)segment.Codec;
            table = table.Slice(TableEntryLength);
        }
        return bytes;
    }

    /// <summary>
    /// The length of header and table together, from the fixed fields; so that a reader knows how much to fetch.
    /// </summary>
    /// <exception cref="FormatException">These are not the fixed fields of an envelope.</exception>
    internal static int PrefixLength(ReadOnlySpan<byte> fixedFields)
    {
        if (fixedFields.IsEmpty)
            throw new FormatException(
                "The object has no bytes: it is empty, or not a file but a pipe, a socket or a device.");
        if (fixedFields.Length < FixedLength) throw new FormatException("The object is shorter than an envelope.");
        if (!fixedFields.Slice(0, 8).SequenceEqual(Magic))
            throw new FormatException("The object does not begin like one of this format.");
        int version = BinaryPrimitives.ReadUInt16LittleEndian(fixedFields.Slice(8));
        if (version != CurrentVersion)
            throw new FormatException($"The object has envelope version {version}; this version of the module reads "
                + $"version {CurrentVersion}.");
        uint header = BinaryPrimitives.ReadUInt32LittleEndian(fixedFields.Slice(12));
        uint segments = BinaryPrimitives.ReadUInt32LittleEndian(fixedFields.Slice(32));
        if (header > MaximumHeaderLength || segments > MaximumSegments)
            throw new FormatException("The object's header or segment table is larger than the format allows.");
        if (BinaryPrimitives.ReadUInt32LittleEndian(fixedFields.Slice(36)) != 0)
            throw new FormatException("A reserved field of the object is not zero.");
        return FixedLength + (int)header + (int)segments * TableEntryLength;
    }

    /// <summary>Reads everything before the segments.</summary>
    /// <exception cref="FormatException">The bytes contradict the format or themselves.</exception>
    internal static Envelope Parse(ReadOnlySpan<byte> prefix)
    {
        int length = PrefixLength(prefix);
        if (prefix.Length < length) throw new FormatException("The object ends inside its header.");
        int headerLength = (int)BinaryPrimitives.ReadUInt32LittleEndian(prefix.Slice(12));
        var segments = new SegmentEntry[BinaryPrimitives.ReadUInt32LittleEndian(prefix.Slice(32))];
        ReadOnlySpan<byte> table = prefix.Slice(FixedLength + headerLength);
        long body = 0, previous = -1;
        for (int i = 0; i < segments.Length; i++, table = table.Slice(TableEntryLength))
        {
            uint ordinal = BinaryPrimitives.ReadUInt32LittleEndian(table);
            uint plain = BinaryPrimitives.ReadUInt32LittleEndian(table.Slice(4));
            uint stored = BinaryPrimitives.ReadUInt32LittleEndian(table.Slice(8));
            if (ordinal <= previous || ordinal > int.MaxValue || plain > MaximumSegmentLength
                || stored > MaximumSegmentLength + 1024
                || (table[13] | table[14] | table[15]) != 0)
                throw new FormatException("The object's segment table is not valid.");
            previous = ordinal;
            body += stored;
            segments[i] = new SegmentEntry((int)ordinal, (int)plain, (int)stored, (Codec)table[12]);
        }
        if (BinaryPrimitives.ReadUInt64LittleEndian(prefix.Slice(40)) != (ulong)body)
            throw new FormatException("The object's body length does not agree with its segment table.");
        return new Envelope
        {
            Kind = (ObjectKind)prefix[10],
            Cipher = (Cipher)prefix[11],
            Id = Id128.Read(prefix.Slice(16)),
            Header = prefix.Slice(FixedLength, headerLength).ToArray(),
            Segments = segments,
        };
    }
}
