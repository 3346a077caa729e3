using System.Buffers.Binary;
using System.IO.Compression;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>Packs and unpacks grains: deflate with the frame of RFC 1950, which has an Adler-32 of the bytes.</summary>
internal static class GrainCodec
{
    private const int FrameHead = 2, FrameEnd = 4;

    /// <summary>What does not compress grows a little; a grain that claims more is not believed.</summary>
    internal static int MostPacked(int grainBytes) => grainBytes + grainBytes / 8 + 1024;

    /// <summary>Packs a grain.</summary>
    /// <param name="grain">Its bytes.</param>
    /// <param name="packed">Where to put them; what it holds is replaced.</param>
    internal static void Pack(ReadOnlySpan<byte> grain, MemoryStream packed)
    {
        packed.SetLength(0);
        packed.WriteByte(0x78);
        packed.WriteByte(0x01);
        byte[] bytes = grain.ToArray();
        using (var deflate = new DeflateStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            deflate.Write(bytes, 0, bytes.Length);
        var end = new byte[FrameEnd];
        BinaryPrimitives.WriteUInt32BigEndian(end, Adler32(grain));
        packed.Write(end, 0, end.Length);
    }

    /// <summary>Unpacks a grain. No more than the grain is ever unpacked.</summary>
    /// <param name="packed">What was stored.</param>
    /// <param name="length">How much of it counts.</param>
    /// <param name="grain">The grain's bytes.</param>
    /// <param name="needed">How many of them there must be: at the disk's end some writers pack no more than that.
    /// </param>
    /// <returns>Null when it was right, else what is wrong, as the end of a sentence.</returns>
    internal static string? Unpack(byte[] packed, int length, byte[] grain, int needed)
    {
        if (length <= FrameHead + FrameEnd || (packed[0] & 0x0F) != 8 || (packed[0] << 8 | packed[1]) % 31 != 0
            || (packed[1] & 0x20) != 0)
            return "is not compressed as it must be";
        int done = 0;
        try
        {
            using var deflate = new DeflateStream(new MemoryStream(packed, FrameHead, length - FrameHead),
                CompressionMode.Decompress);
            while (done < grain.Length)
            {
                int now = deflate.Read(grain, done, grain.Length - done);
                if (now == 0) break;
                done += now;
            }
            if (done < needed || (done == grain.Length && deflate.ReadByte() >= 0))
                return "does not have the bytes of a grain";
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            // Nothing is read here but memory; Mono has a word of its own for it.
            return "cannot be decompressed";
        }
        uint sum = BinaryPrimitives.ReadUInt32BigEndian(packed.AsSpan(length - FrameEnd));
        return Adler32(grain.AsSpan(0, done)) == sum ? null : "is damaged, as its checksum shows";
    }

    internal static uint Adler32(ReadOnlySpan<byte> bytes)
    {
        // So many bytes can be summed before the sums have to be reduced (RFC 1950).
        const int most = 5552, modulus = 65521;
        uint a = 1, b = 0;
        while (!bytes.IsEmpty)
        {
            ReadOnlySpan<byte> part = bytes.Slice(0, Math.Min(most, bytes.Length));
            foreach (byte value in part)
            {
                a += value;
                b += a;
            }
            a %= modulus;
            b %= modulus;
            bytes = bytes.Slice(part.Length);
        }
        return b << 16 | a;
    }
}
