using System.Buffers.Binary;
using System.Text;
using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Serving.Overlays;

/// <summary>
/// The beginning of an overlay: two copies of 4 KiB, the one with the higher generation counts. Little endian: magic,
/// generation, size of the disk, first cluster of the journal, then three texts (repository, point, disk), each with
/// its length as a byte before it and room for 255; CRC-32C over everything before at the end.
/// </summary>
internal sealed record OverlayHeader(OverlayIdentity Identity, ulong Generation, long Journal)
{
    internal const int Bytes = 4096;

    private static readonly byte[] s_magic = "NATOVL01"u8.ToArray();

    internal byte[] Encode()
    {
        var bytes = new byte[Bytes];
        s_magic.CopyTo(bytes, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), Generation);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), Identity.SizeBytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), Journal);
        WriteText(bytes.AsSpan(32), Identity.RepositoryId);
        WriteText(bytes.AsSpan(288), Identity.RestorePointId);
        WriteText(bytes.AsSpan(544), Identity.DiskId);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(Bytes - 4), Crc32C.Of(bytes.AsSpan(0, Bytes - 4)));
        return bytes;
    }

    internal static OverlayHeader? Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < Bytes || !bytes.Slice(0, 8).SequenceEqual(s_magic)
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes.Slice(Bytes - 4)) != Crc32C.Of(bytes.Slice(0, Bytes - 4)))
            return null;
        return new OverlayHeader(
            new OverlayIdentity(ReadText(bytes.Slice(32)), ReadText(bytes.Slice(288)), ReadText(bytes.Slice(544)),
                BinaryPrimitives.ReadInt64LittleEndian(bytes.Slice(16))),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice(8)),
            BinaryPrimitives.ReadInt64LittleEndian(bytes.Slice(24)));
    }

    private static void WriteText(Span<byte> room, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = Math.Min(bytes.Length, 255);
        room[0] = (byte)length;
        bytes.AsSpan(0, length).CopyTo(room.Slice(1));
    }

    private static string ReadText(ReadOnlySpan<byte> room) =>
        Encoding.UTF8.GetString(room.Slice(1, room[0]).ToArray());
}
