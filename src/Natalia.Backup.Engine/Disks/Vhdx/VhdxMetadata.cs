using System.Buffers.Binary;
using System.Text;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>What a VHDX file says of its disk.</summary>
internal sealed record VhdxMetadata
{
    private const uint IsUser = 1, IsRequired = 4, HasParentFlag = 2;

    private static readonly byte[] s_signature = Encoding.ASCII.GetBytes("metadata");

    internal required long SizeBytes { get; init; }
    internal required long BlockBytes { get; init; }
    internal required int LogicalSectorBytes { get; init; }
    internal required int PhysicalSectorBytes { get; init; }
    internal required Guid DiskId { get; init; }
    internal required VhdxParentLocator? Parent { get; init; }

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static async ValueTask<VhdxMetadata> ReadAsync(ImageFault image, Extent region,
        CancellationToken cancellationToken)
    {
        byte[] table = await image.ReadAsync(region.Offset, VhdxFormat.MetadataTableBytes, "its metadata",
            cancellationToken).ConfigureAwait(false);
        if (!table.AsSpan().StartsWith(s_signature)) throw image.Invalid("its metadata do not begin as they must");
        Dictionary<Guid, Extent> items = Items(image, table, region);

        byte[] parameters = await ItemAsync(VhdxFormat.FileParameters, 8, "the file parameters").ConfigureAwait(false);
        byte[] size = await ItemAsync(VhdxFormat.VirtualDiskSize, 8, "the size of the disk").ConfigureAwait(false);
        byte[] id = await ItemAsync(VhdxFormat.VirtualDiskId, 16, "the id of the disk").ConfigureAwait(false);
        byte[] logical = await ItemAsync(VhdxFormat.LogicalSectorSize, 4, "the logical sector size")
            .ConfigureAwait(false);
        byte[] physical = await ItemAsync(VhdxFormat.PhysicalSectorSize, 4, "the physical sector size")
            .ConfigureAwait(false);

        uint block = BinaryPrimitives.ReadUInt32LittleEndian(parameters);
        if (block is < VhdxFormat.LeastBlockBytes or > VhdxFormat.MostBlockBytes || (block & (block - 1)) != 0)
            throw image.Invalid($"its blocks are said to have {block} bytes");
        long bytes = BinaryPrimitives.ReadInt64LittleEndian(size);
        uint sector = Sector(logical, "logical");
        if (bytes <= 0 || bytes > VhdxFormat.MostBytes || bytes % sector != 0)
            throw image.Invalid($"its disk is said to have {(ulong)bytes} bytes");

        VhdxParentLocator? parent = null;
        if ((BinaryPrimitives.ReadUInt32LittleEndian(parameters.AsSpan(4)) & HasParentFlag) != 0)
        {
            if (!items.TryGetValue(VhdxFormat.ParentLocator, out Extent place))
                throw image.Invalid("it has a parent and does not say which");
            parent = VhdxParentLocator.Parse(image, await image.ReadAsync(place.Offset, (int)place.Length,
                "its parent locator", cancellationToken).ConfigureAwait(false));
        }
        return new VhdxMetadata
        {
            SizeBytes = bytes,
            BlockBytes = block,
            LogicalSectorBytes = (int)sector,
            PhysicalSectorBytes = (int)Sector(physical, "physical"),
            DiskId = VhdxFormat.ReadGuid(id),
            Parent = parent,
        };

        async ValueTask<byte[]> ItemAsync(Guid item, int length, string what)
        {
            if (!items.TryGetValue(item, out Extent place) || place.Length < length)
                throw image.Invalid($"its metadata lack {what}");
            return await image.ReadAsync(place.Offset, length, what, cancellationToken).ConfigureAwait(false);
        }

        uint Sector(byte[] item, string which)
        {
            uint value = BinaryPrimitives.ReadUInt32LittleEndian(item);
            return value is 512 or 4096
                ? value
                : throw image.Invalid($"its {which} sectors are said to have {value} bytes");
        }
    }

    private static Dictionary<Guid, Extent> Items(ImageFault image, byte[] table, Extent region)
    {
        int count = BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(10));
        if (count > VhdxFormat.MostEntries) throw image.Invalid($"its metadata claim {count} items");
        var items = new Dictionary<Guid, Extent>();
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = table.AsSpan((i + 1) * VhdxFormat.TableEntryBytes, VhdxFormat.TableEntryBytes);
            Guid id = VhdxFormat.ReadGuid(entry);
            uint offset = BinaryPrimitives.ReadUInt32LittleEndian(entry.Slice(16));
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(entry.Slice(20));
            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(entry.Slice(24));
            if ((flags & IsUser) != 0)
            {
                if ((flags & IsRequired) != 0) throw image.NotSupported($"needs the item {id}, which is not known");
                continue;
            }
            if (!IsKnown(id))
            {
                if ((flags & IsRequired) != 0) throw image.NotSupported($"needs the item {id}, which is not known");
                continue;
            }
            if (length > VhdxFormat.MostItemBytes || offset < VhdxFormat.MetadataTableBytes
                || offset > region.Length - length)
                throw image.Invalid($"its item {id} is said to be {length} bytes at {offset} of the metadata");
            if (items.ContainsKey(id)) throw image.Invalid($"it has the item {id} twice");
            items.Add(id, new Extent(region.Offset + offset, length));
        }
        return items;
    }

    private static bool IsKnown(Guid id) =>
        id == VhdxFormat.FileParameters || id == VhdxFormat.VirtualDiskSize || id == VhdxFormat.VirtualDiskId
        || id == VhdxFormat.LogicalSectorSize || id == VhdxFormat.PhysicalSectorSize
        || id == VhdxFormat.ParentLocator;
}
