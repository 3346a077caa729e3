using System.Buffers.Binary;

namespace Natalia.Backup.Serving.Scsi;

/// <summary>A command: where its fields lie follows its length, which its first byte tells.</summary>
/// <param name="bytes">16 bytes; of shorter commands the rest is zeros.</param>
internal readonly struct Cdb(byte[] bytes)
{
    internal byte[] Bytes => bytes;

    /// <summary>The first sector; negative for what is beyond any disk.</summary>
    internal long Lba => (bytes[0] >> 5) switch
    {
        0 => (bytes[1] & 0x1F) << 16 | bytes[2] << 8 | bytes[3],
        4 => BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(2)),
        _ => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(2)),
    };

    /// <summary>How many sectors.</summary>
    internal long Blocks => (bytes[0] >> 5) switch
    {
        0 => bytes[4] == 0 ? 256 : bytes[4],
        4 => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(10)),
        5 => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(6)),
        _ => BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(7)),
    };

    internal int Allocation16(int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at));

    /// <summary>The unit was not formatted with protection information: RDPROTECT and its like must be zero.</summary>
    /// <exception cref="ScsiException">It is asked for.</exception>
    internal void RefuseProtection()
    {
        if (bytes[0] >> 5 != 0 && bytes[1] >> 5 != 0) throw ScsiException.InvalidField;
    }
}
