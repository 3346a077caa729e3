using System.Buffers.Binary;
using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Serving.Overlays;

/// <summary>What a record of an overlay's journal says. Numbers are part of the file.</summary>
internal enum OverlayRecordKind : byte
{
    /// <summary>A block lies in a cluster; the mask tells which of its sectors do.</summary>
    Mapped = 1,
    /// <summary>Neighbouring blocks are zeros.</summary>
    Zeroed = 2,
    /// <summary>The journal goes on in another cluster.</summary>
    Continued = 3,
}

/// <summary>
/// One record of an overlay's journal: 32 bytes. Little endian: kind, 3 zero bytes, the low 32 bits of the header's
/// generation, two numbers, the mask, CRC-32C of the 28 bytes before.
/// </summary>
/// <param name="Kind">What it says.</param>
/// <param name="First">Mapped, Zeroed: the (first) block. Continued: the cluster.</param>
/// <param name="Second">Mapped: the cluster. Zeroed: how many blocks.</param>
/// <param name="Mask">Mapped: a bit for each sector of 4 KiB that lies in the cluster, the lowest for the
/// first.</param>
internal readonly record struct OverlayRecord(OverlayRecordKind Kind, long First, long Second, ushort Mask)
{
    internal const int Bytes = 32;

    internal void Write(Span<byte> room, ulong generation)
    {
        room.Slice(0, Bytes).Clear();
        room[0] = (byte)Kind;
        BinaryPrimitives.WriteUInt32LittleEndian(room.Slice(4), (uint)generation);
        BinaryPrimitives.WriteInt64LittleEndian(room.Slice(8), First);
        BinaryPrimitives.WriteInt64LittleEndian(room.Slice(16), Second);
        BinaryPrimitives.WriteUInt32LittleEndian(room.Slice(24), Mask);
        BinaryPrimitives.WriteUInt32LittleEndian(room.Slice(28), Crc32C.Of(room.Slice(0, 28)));
    }

    /// <summary>The record, or null where there is none: the journal's end, or one that was torn.</summary>
    internal static OverlayRecord? Read(ReadOnlySpan<byte> bytes, ulong generation)
    {
        if (bytes[0] is < 1 or > 3 || BinaryPrimitives.ReadUInt32LittleEndian(bytes.Slice(4)) != (uint)generation
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes.Slice(28)) != Crc32C.Of(bytes.Slice(0, 28)))
            return null;
        return new OverlayRecord((OverlayRecordKind)bytes[0], BinaryPrimitives.ReadInt64LittleEndian(bytes.Slice(8)),
            BinaryPrimitives.ReadInt64LittleEndian(bytes.Slice(16)),
            (ushort)BinaryPrimitives.ReadUInt32LittleEndian(bytes.Slice(24)));
    }
}
