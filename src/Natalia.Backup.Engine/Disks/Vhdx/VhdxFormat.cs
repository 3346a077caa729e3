using System.Buffers.Binary;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>Numbers and names of the format, from [MS-VHDX].</summary>
internal static class VhdxFormat
{
    internal const long MiB = 1024 * 1024;
    internal const int HeaderBytes = 4096, RegionTableBytes = 64 * 1024, MetadataTableBytes = 64 * 1024;
    internal const long HeaderOffset1 = 64 * 1024, HeaderOffset2 = 128 * 1024;
    internal const long RegionTableOffset1 = 192 * 1024, RegionTableOffset2 = 256 * 1024;
    internal const int MostEntries = 2047, TableEntryBytes = 32;
    internal const long MostBytes = 64L << 40;
    internal const uint LeastBlockBytes = 1024 * 1024, MostBlockBytes = 256 * 1024 * 1024;
    /// <summary>What an item of metadata may have.</summary>
    internal const uint MostItemBytes = 1024 * 1024;
    /// <summary>Sectors that one block of a sector bitmap tells of.</summary>
    internal const long SectorsOfBitmap = 1L << 23;

    internal const int BlockNotPresent = 0, BlockUndefined = 1, BlockZero = 2, BlockUnmapped = 3, BlockPresent = 6,
        BlockPartial = 7;

    internal static readonly Guid BatRegion = new("2DC27766-F623-4200-9D64-115E9BFD4A08");
    internal static readonly Guid MetadataRegion = new("8B7CA206-4790-4B9A-B8FE-575F050F886E");
    internal static readonly Guid FileParameters = new("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    internal static readonly Guid VirtualDiskSize = new("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    internal static readonly Guid VirtualDiskId = new("BECA12AB-B2E6-4523-93EF-C309E000C746");
    internal static readonly Guid LogicalSectorSize = new("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
    internal static readonly Guid PhysicalSectorSize = new("CDA348C7-445D-4471-9CC9-E9885251C556");
    internal static readonly Guid ParentLocator = new("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");
    internal static readonly Guid VhdxLocator = new("B04AEFB7-D19E-4A81-B789-25B8E9445913");

    internal static Guid ReadGuid(ReadOnlySpan<byte> bytes) => new(bytes.Slice(0, 16).ToArray());

    /// <summary>True when the checksum that stands in a structure is that of the structure without it.</summary>
    /// <param name="structure">The structure.</param>
    /// <param name="at">Where its checksum stands.</param>
    internal static bool IsIntact(byte[] structure, int at)
    {
        uint state = Crc32C.Update(uint.MaxValue, structure.AsSpan(0, at));
        state = Crc32C.Update(state, stackalloc byte[4]);
        return ~Crc32C.Update(state, structure.AsSpan(at + 4))
            == BinaryPrimitives.ReadUInt32LittleEndian(structure.AsSpan(at));
    }
}
