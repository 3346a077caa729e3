using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Sealing;

/// <summary>A finished object and the SHA-256 at its end.</summary>
internal readonly record struct EncodedObject(byte[] Bytes, Hash256 Hash)
{
    internal ObjectContent Content => new(Bytes);
}

/// <summary>Objects that are read and written whole: everything but packs.</summary>
internal static class SmallObject
{
    internal static EncodedObject Encode(ObjectKind kind, Id128 id, byte[] header, IReadOnlyList<byte[]> segments,
        ObjectKeys keys, bool compress = true)
    {
        Hash256? headerHash = SegmentCodec.CoversHeader(kind) ? Hash256.Of(header) : null;
        using SegmentCipher cipher = keys.For(id, kind);
        using var codec = new SegmentCodec();
        var entries = new SegmentEntry[segments.Count];
        var stored = new byte[segments.Count][];
        Span<byte> associated = stackalloc byte[SegmentCodec.MaximumAssociatedLength];
        for (int i = 0; i < entries.Length; i++)
        {
            Codec how = Codec.Stored;
            ReadOnlyMemory<byte> plain = compress ? codec.Compress(segments[i], out how) : segments[i];
            stored[i] = new byte[plain.Length + cipher.Overhead];
            int length = SegmentCodec.WriteAssociated(associated, id, kind, how, i, segments[i].Length, headerHash);
            cipher.Seal(i, associated.Slice(0, length), plain.Span, stored[i]);
            entries[i] = new SegmentEntry(i, segments[i].Length, stored[i].Length, how);
        }
        var envelope = new Envelope { Kind = kind, Cipher = keys.Cipher, Id = id, Header = header, Segments = entries };
        var bytes = new byte[checked((int)envelope.ObjectLength)];
        byte[] prefix = envelope.EncodePrefix();
        prefix.CopyTo(bytes, 0);
        int at = prefix.Length;
        foreach (byte[] segment in stored)
        {
            segment.CopyTo(bytes, at);
            at += segment.Length;
        }
        Hash256.Compute(bytes.AsSpan(0, at), bytes.AsSpan(at));
        return new EncodedObject(bytes, Hash256.Read(bytes.AsSpan(at)));
    }

    /// <summary>Checks a whole object's structure and its trailer.</summary>
    /// <exception cref="FormatException">The object is damaged, or of another kind.</exception>
    internal static Envelope Check(ReadOnlySpan<byte> bytes, ObjectKind? kind = null)
    {
        Envelope envelope = Envelope.Parse(bytes);
        if (envelope.ObjectLength != bytes.Length)
            throw new FormatException($"The object has {bytes.Length} bytes and should have {envelope.ObjectLength}.");
        ReadOnlySpan<byte> body = bytes.Slice(0, bytes.Length - Envelope.TrailerLength);
        if (Hash256.Of(body) != Hash256.Read(bytes.Slice(body.Length)))
            throw new FormatException("The object's checksum is wrong.");
        if (kind is ObjectKind expected && envelope.Kind != expected)
            throw new FormatException($"The object is a {envelope.Kind} and should be a {expected}.");
        return envelope;
    }

    /// <summary>The SHA-256 at the end of an object that was checked.</summary>
    internal static Hash256 Trailer(ReadOnlySpan<byte> bytes) =>
        Hash256.Read(bytes.Slice(bytes.Length - Envelope.TrailerLength));

    /// <exception cref="SealBrokenException">The key is not the one that it was sealed with, or the header was
    /// changed.</exception>
    /// <exception cref="FormatException">There is no such segment, or it does not decompress.</exception>
    internal static byte[] OpenSegment(ReadOnlySpan<byte> bytes, Envelope envelope, int index, ObjectKeys keys)
    {
        if (index >= envelope.Segments.Length) throw new FormatException("The object has too few segments.");
        if (envelope.Cipher != keys.Cipher)
            throw new FormatException("The object is not sealed the way its repository is.");
        long offset = envelope.BodyOffset;
        for (int i = 0; i < index; i++) offset += envelope.Segments[i].SealedLength;
        SegmentEntry entry = envelope.Segments[index];
        Span<byte> associated = stackalloc byte[SegmentCodec.MaximumAssociatedLength];
        Hash256? headerHash = SegmentCodec.CoversHeader(envelope.Kind) ? Hash256.Of(envelope.Header) : null;
        int length = SegmentCodec.WriteAssociated(associated, envelope.Id, envelope.Kind, entry.Codec, entry.Ordinal,
            entry.PlainLength, headerHash);
        using SegmentCipher cipher = keys.For(envelope.Id, envelope.Kind);
        using var codec = new SegmentCodec();
        var plain = new byte[entry.PlainLength];
        codec.Open(cipher, entry, associated.Slice(0, length), bytes.Slice((int)offset, entry.SealedLength), plain);
        return plain;
    }
}
