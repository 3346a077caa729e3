using System.Buffers.Binary;

namespace Natalia.Backup.Engine.Disks.Vhd;

/// <summary>Numbers of the format, from Microsoft's Virtual Hard Disk Image Format Specification.</summary>
internal static class VhdFormat
{
    internal const int Sector = 512, FooterBytes = 512, HeaderBytes = 1024;
    internal const uint Fixed = 2, Dynamic = 3, Differencing = 4;
    internal const uint Unused = 0xFFFFFFFF;
    /// <summary>What 32-bit sector numbers reach.</summary>
    internal const long MostBytes = 2L << 40;
    internal const uint MostBlockBytes = 256 * 1024 * 1024;

    /// <summary>Ids are written with the highest byte first.</summary>
    internal static Guid ReadGuid(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadInt32BigEndian(bytes), BinaryPrimitives.ReadInt16BigEndian(bytes.Slice(4)),
        BinaryPrimitives.ReadInt16BigEndian(bytes.Slice(6)), bytes.Slice(8, 8).ToArray());

    /// <summary>True when the checksum of a structure is right: the complement of the sum of all other bytes.</summary>
    internal static bool IsIntact(ReadOnlySpan<byte> structure, int at)
    {
        uint sum = 0;
        for (int i = 0; i < structure.Length; i++)
        {
            if (i < at || i >= at + 4) sum += structure[i];
        }
        return ~sum == BinaryPrimitives.ReadUInt32BigEndian(structure.Slice(at));
    }
}
