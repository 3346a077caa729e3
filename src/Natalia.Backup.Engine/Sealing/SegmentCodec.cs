using System.Buffers;
using System.Buffers.Binary;
using Natalia.Backup.Engine.Compression;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Sealing;

/// <summary>
/// Turns plain bytes into what a segment stores and back: compress, then seal. Holds the working memory of one worker;
/// not thread-safe.
/// </summary>
internal sealed class SegmentCodec : IDisposable
{
    private readonly Zstd _zstd;
    private byte[] _scratch = [];

    internal SegmentCodec() : this(Zstd.New())
    {
    }

    internal SegmentCodec(Zstd zstd) => _zstd = zstd;

    /// <summary>Compresses where that saves at least 1/32; the result lives until the next call.</summary>
    internal ReadOnlyMemory<byte> Compress(ReadOnlyMemory<byte> plain, out Codec codec)
    {
        if (_scratch.Length < plain.Length) _scratch = new byte[plain.Length];
        int limit = plain.Length - plain.Length / 32;
        if (plain.Length >= 64 && _zstd.TryCompress(plain.Span, _scratch.AsSpan(0, limit)) is int written
            && written < limit)
        {
            codec = Codec.Zstd;
            return _scratch.AsMemory(0, written);
        }
        codec = Codec.Stored;
        return plain;
    }

    /// <summary>
    /// Opens and decompresses one segment into <paramref name="plain"/>, which has exactly its plain length.
    /// </summary>
    /// <exception cref="FormatException">The stored bytes are not what was sealed, or do not decompress to that
    /// length.</exception>
    internal void Open(SegmentCipher cipher, SegmentEntry entry, ReadOnlySpan<byte> associated,
        ReadOnlySpan<byte> stored, Span<byte> plain)
    {
        int length = stored.Length - cipher.Overhead;
        if (length < 0) throw new FormatException("A segment is shorter than its seal.");
        if (entry.Codec == Codec.Stored)
        {
            if (length != plain.Length) throw new FormatException("A stored segment has a wrong length.");
            if (!cipher.TryOpen(entry.Ordinal, associated, stored, plain))
                throw new SealBrokenException("A segment's seal is broken.");
            return;
        }
        if (entry.Codec != Codec.Zstd)
            throw new FormatException(
                $"A segment uses codec {(int)entry.Codec}, which this version of the module does not know.");
        byte[] compressed = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            if (!cipher.TryOpen(entry.Ordinal, associated, stored, compressed.AsSpan(0, length)))
                throw new SealBrokenException("A segment's seal is broken.");
            Decompress(compressed.AsSpan(0, length), plain);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(compressed);
        }
    }

    /// <summary>Decompresses a zstd frame into <paramref name="plain"/>, which has exactly its plain length.</summary>
    /// <exception cref="FormatException">It does not decompress to that length.</exception>
    internal void Decompress(ReadOnlySpan<byte> compressed, Span<byte> plain)
    {
        if (_zstd.Decompress(compressed, plain) != plain.Length)
            throw new FormatException("A segment does not decompress to its length.");
    }

    /// <summary>
    /// What a seal covers besides the bytes: object, kind, codec, ordinal, plain length, and the header except in
    /// packs, whose header may change when they are repacked.
    /// </summary>
    internal static int WriteAssociated(Span<byte> associated, Id128 objectId, ObjectKind kind, Codec codec,
        int ordinal, int plainLength, Hash256? headerHash)
    {
        objectId.Write(associated);
        associated[16] = (byte)kind;
        associated[17] = (byte)codec;
        BinaryPrimitives.WriteUInt32LittleEndian(associated.Slice(18), (uint)ordinal);
        BinaryPrimitives.WriteUInt32LittleEndian(associated.Slice(22), (uint)plainLength);
        if (headerHash is not Hash256 hash) return 26;
        hash.Write(associated.Slice(26));
        return 58;
    }

    internal const int MaximumAssociatedLength = 58;

    internal static bool CoversHeader(ObjectKind kind) => kind is not (ObjectKind.DataPack or ObjectKind.MetaPack);

    public void Dispose() => _zstd.Dispose();
}
