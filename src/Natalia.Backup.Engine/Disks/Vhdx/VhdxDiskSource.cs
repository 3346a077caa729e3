using System.Buffers.Binary;
using System.Text;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>
/// A disk in a VHDX file: fixed, dynamic, or differencing with its parents. A log that was not replayed is replayed in
/// memory; nothing is written. The format is that of [MS-VHDX].
/// </summary>
public sealed class VhdxDiskSource : MappedImage
{
    /// <summary>Hyper-V itself keeps 50 checkpoints at most. A file that is its own parent ends here.</summary>
    private const int MostDepth = 256;

    private static readonly byte[] s_signature = Encoding.ASCII.GetBytes("vhdxfile");

    private readonly ImageFault _fault;
    private readonly VhdxMetadata _metadata;
    private readonly VhdxRegions _regions;
    private readonly TableCache _tables;

    /// <summary>Payload blocks whose sectors one block of a sector bitmap tells of.</summary>
    private readonly long _chunkRatio;

    private VhdxDiskSource(ImageFault fault, VhdxHeader header, VhdxMetadata metadata, VhdxRegions regions,
        TableCache tables, VhdxDiskSource? parent)
        : base(fault.File, metadata.SizeBytes, parent)
    {
        _fault = fault;
        _metadata = metadata;
        _regions = regions;
        _tables = tables;
        _chunkRatio = VhdxFormat.SectorsOfBitmap * metadata.LogicalSectorBytes / metadata.BlockBytes;
        DataWriteGuid = header.DataWriteGuid;
        Parent = parent;
    }

    /// <summary>The id of the virtual disk: the same in every file of a chain and through its life.</summary>
    public Guid VirtualDiskId => _metadata.DiskId;

    /// <summary>The id of the state that the file holds; it changes when the disk's data does.</summary>
    public Guid DataWriteGuid { get; }

    /// <summary>The size of a block in bytes: 1 to 256 MiB, a power of two.</summary>
    public long BlockBytes => _metadata.BlockBytes;

    /// <summary>The sector size that the guest sees, in bytes: 512 or 4096.</summary>
    public int LogicalSectorBytes => _metadata.LogicalSectorBytes;

    /// <summary>The sector size that the guest is told the medium has, in bytes: 512 or 4096.</summary>
    public int PhysicalSectorBytes => _metadata.PhysicalSectorBytes;

    /// <summary>The parent; null unless this is a differencing image.</summary>
    public VhdxDiskSource? Parent { get; }

    /// <summary>How many images the chain has: 1 without a parent.</summary>
    public int Depth => 1 + (Parent?.Depth ?? 0);

    /// <summary>Opens the disk in a file, with all its parents.</summary>
    /// <param name="file">The file, byte for byte. It is closed with the disk, and at once when this fails.</param>
    /// <param name="parents">Finds parents; null where none are allowed.</param>
    /// <exception cref="NataliaException">
    /// <c>DiskImageInvalid</c>; <c>DiskFormatNotSupported</c> for what this version of the format does not have;
    /// <c>DiskParentNotFound</c> when a parent is not there or holds another state than the one that its child counts
    /// from; <c>DiskReadFailed</c>; what <paramref name="parents"/> throws.
    /// </exception>
    public static Task<VhdxDiskSource> OpenAsync(IDiskSource file, IParentImages? parents,
        CancellationToken cancellationToken) =>
        OpenAsync(file, parents, new TableCache(), 1, cancellationToken);

    private static async Task<VhdxDiskSource> OpenAsync(IDiskSource file, IParentImages? parents, TableCache tables,
        int depth, CancellationToken cancellationToken)
    {
        VhdxDiskSource? parent = null;
        try
        {
            (ImageFault fault, VhdxHeader header, VhdxRegions regions, VhdxMetadata metadata) =
                await ReadTablesAsync(file, cancellationToken).ConfigureAwait(false);
            if (metadata.Parent is VhdxParentLocator locator)
                parent = await OpenParentAsync(fault, metadata, locator, parents, tables, depth, cancellationToken)
                    .ConfigureAwait(false);
            var disk = new VhdxDiskSource(fault, header, metadata, regions, tables, parent);
            disk.RequireWholeTable();
            return disk;
        }
        catch
        {
            parent?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads what a file says of itself, without its parents; the file stays open.</summary>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskReadFailed</c>.</exception>
    public static async Task<ImageProbe> ProbeAsync(IDiskSource file, CancellationToken cancellationToken)
    {
        (ImageFault fault, _, _, VhdxMetadata metadata) = await ReadTablesAsync(file, cancellationToken)
            .ConfigureAwait(false);
        return new ImageProbe(metadata.SizeBytes,
            metadata.Parent is VhdxParentLocator locator ? Reference(fault, locator) : null, []);
    }

    private static async Task<(ImageFault, VhdxHeader, VhdxRegions, VhdxMetadata)> ReadTablesAsync(IDiskSource file,
        CancellationToken cancellationToken)
    {
        var fault = new ImageFault("VHDX", file);
        byte[] first = await fault.ReadAsync(0, s_signature.Length, "its beginning", cancellationToken)
            .ConfigureAwait(false);
        if (!first.AsSpan().StartsWith(s_signature)) throw fault.Invalid("it does not begin as such a file must");
        VhdxHeader header = await VhdxHeader.ReadAsync(fault, cancellationToken).ConfigureAwait(false);
        Extent log = VhdxLog.PlaceOf(fault, header);
        IDiskSource replayed = await VhdxLog.ReplayAsync(fault, header, log, cancellationToken).ConfigureAwait(false);
        fault = new ImageFault("VHDX", replayed);
        VhdxRegions regions = await VhdxRegions.ReadAsync(fault, log, cancellationToken).ConfigureAwait(false);
        VhdxMetadata metadata = await VhdxMetadata.ReadAsync(fault, regions.Metadata, cancellationToken)
            .ConfigureAwait(false);
        return (fault, header, regions, metadata);
    }

    private static ParentReference Reference(ImageFault child, VhdxParentLocator locator) =>
        new(child.File.ToString() ?? "", locator.RelativePath, locator.AbsolutePath, locator.Linkage);

    private static async Task<VhdxDiskSource> OpenParentAsync(ImageFault child, VhdxMetadata metadata,
        VhdxParentLocator locator, IParentImages? parents, TableCache tables, int depth,
        CancellationToken cancellationToken)
    {
        if (depth == MostDepth) throw child.Invalid($"its chain of parents has more than {MostDepth} images");
        ParentReference reference = Reference(child, locator);
        IDiskSource? file = parents is null
            ? null
            : await parents.OpenAsync(reference, cancellationToken).ConfigureAwait(false);
        if (file is null) throw child.ParentNotFound(reference);
        VhdxDiskSource parent = await OpenAsync(file, parents, tables, depth + 1, cancellationToken)
            .ConfigureAwait(false);
        try
        {
            if (parent.DataWriteGuid != locator.Linkage && parent.DataWriteGuid != locator.OtherLinkage)
                throw child.ParentDiffers(reference, parent.ToString(), parent.DataWriteGuid);
            return parent.LogicalSectorBytes == metadata.LogicalSectorBytes
                ? parent
                : throw child.Invalid($"its sectors have {metadata.LogicalSectorBytes} bytes, and those of its parent "
                    + $"{parent.LogicalSectorBytes}");
        }
        catch
        {
            parent.Dispose();
            throw;
        }
    }

    private void RequireWholeTable()
    {
        long blocks = (SizeBytes + BlockBytes - 1) / BlockBytes;
        long entries = Parent is null
            ? blocks + (blocks - 1) / _chunkRatio
            : (blocks + _chunkRatio - 1) / _chunkRatio * (_chunkRatio + 1);
        if (entries * sizeof(ulong) > _regions.Bat.Length)
            throw _fault.Invalid($"its block allocation table has {_regions.Bat.Length} bytes, and {entries} entries "
                + "are needed");
    }

    /// <inheritdoc/>
    private protected override async ValueTask<ImageRun> FindAsync(long offset, long most,
        CancellationToken cancellationToken)
    {
        long block = offset / BlockBytes, inBlock = offset % BlockBytes;
        long entry = await ReadEntryAsync(block + block / _chunkRatio, cancellationToken).ConfigureAwait(false);
        long length = Math.Min(most, BlockBytes - inBlock);
        switch (KindOf(entry))
        {
            case ImageRunKind.Stored when State(entry) == VhdxFormat.BlockPartial:
                return await FindInBitmapAsync(entry, block, inBlock, length, cancellationToken).ConfigureAwait(false);
            case ImageRunKind.Stored:
                return new ImageRun(ImageRunKind.Stored, Place(entry, block) + inBlock, length);
            case ImageRunKind kind:
                // Large disks are mostly empty: one answer for all blocks that are as this one.
                while (length < most)
                {
                    block++;
                    entry = await ReadEntryAsync(block + block / _chunkRatio, cancellationToken).ConfigureAwait(false);
                    if (KindOf(entry) != kind) break;
                    length = Math.Min(most, length + BlockBytes);
                }
                return new ImageRun(kind, 0, length);
        }
    }

    /// <summary>A block that is partly in the parent: each sector has a bit, 1 where it is in this file.</summary>
    private async ValueTask<ImageRun> FindInBitmapAsync(long entry, long block, long inBlock, long length,
        CancellationToken cancellationToken)
    {
        long chunk = block / _chunkRatio;
        long bitmap = await ReadEntryAsync((chunk + 1) * _chunkRatio + chunk, cancellationToken).ConfigureAwait(false);
        if (State(bitmap) != VhdxFormat.BlockPresent)
            throw _fault.Invalid($"block {block} is partly in its parent, and which part is not told");
        long start = PlaceOf(bitmap, VhdxFormat.MiB);
        long sector = (block % _chunkRatio * BlockBytes + inBlock) / LogicalSectorBytes;
        long at = start + sector / 8;
        byte[] page = await _tables.GetAsync(File, at, cancellationToken).ConfigureAwait(false);
        int bit = (int)(at % TableCache.PageBytes * 8 + sector % 8);
        bool isHere = IsSet(page, bit);
        long found = LogicalSectorBytes - inBlock % LogicalSectorBytes;
        for (bit++; found < length && bit < page.Length * 8 && IsSet(page, bit) == isHere; bit++)
            found += LogicalSectorBytes;
        found = Math.Min(found, length);
        return isHere
            ? new ImageRun(ImageRunKind.Stored, Place(entry, block) + inBlock, found)
            : new ImageRun(ImageRunKind.Parent, 0, found);

        static bool IsSet(byte[] bits, int index) => (bits[index >> 3] & 1 << (index & 7)) != 0;
    }

    private ImageRunKind KindOf(long entry) => State(entry) switch
    {
        VhdxFormat.BlockPresent => ImageRunKind.Stored,
        VhdxFormat.BlockPartial when Parent is not null => ImageRunKind.Stored,
        VhdxFormat.BlockNotPresent when Parent is not null => ImageRunKind.Parent,
        // In these states the parent is not asked, whatever it holds.
        VhdxFormat.BlockNotPresent or VhdxFormat.BlockUndefined or VhdxFormat.BlockZero or VhdxFormat.BlockUnmapped =>
            ImageRunKind.Zero,
        int state => throw _fault.Invalid($"a block is in the state {state}, which there is not"),
    };

    private static int State(long entry) => (int)(entry & 7);

    private async ValueTask<long> ReadEntryAsync(long index, CancellationToken cancellationToken)
    {
        long at = _regions.Bat.Offset + index * sizeof(ulong);
        byte[] page = await _tables.GetAsync(File, at, cancellationToken).ConfigureAwait(false);
        return BinaryPrimitives.ReadInt64LittleEndian(page.AsSpan((int)(at % TableCache.PageBytes)));
    }

    /// <summary>Where a payload block lies; the last one need be there only as far as the disk goes.</summary>
    private long Place(long entry, long block) =>
        PlaceOf(entry, Math.Min(BlockBytes, SizeBytes - block * BlockBytes));

    private long PlaceOf(long entry, long length)
    {
        long mib = (long)((ulong)entry >> 20);
        if (mib > File.SizeBytes / VhdxFormat.MiB) throw Outside(mib);
        var place = new Extent(mib * VhdxFormat.MiB, length);
        if (place.End > File.SizeBytes) throw Outside(mib);
        foreach (Extent part in _regions.All)
        {
            if (part.Offset >= place.End) break;
            if (part.End > place.Offset)
                throw _fault.Invalid($"a block is said to lie at {place.Offset}, where its tables are");
        }
        return place.Offset;
    }

    private NataliaException Outside(long mib) =>
        _fault.Invalid($"a block is said to lie at {mib} MiB, and the file ends at {File.SizeBytes} bytes");
}
