using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>
/// Writes a disk to a VHDX file of growing size, with sectors of 512 bytes on a medium of 4096, as Hyper-V makes them.
/// Blocks of zeros are left out. The bytes go to a partial file beside the destination, which gets its name only when
/// all is written and flushed. Any number of threads may write at once; a write runs on its caller's thread. The format
/// is that of [MS-VHDX].
/// </summary>
public sealed class VhdxDiskTarget : IDiskTarget
{
    private const int Sector = 512, PhysicalSector = 4096;
    private const long LogOffset = VhdxFormat.MiB, MetadataOffset = 2 * VhdxFormat.MiB, BatOffset = 3 * VhdxFormat.MiB;

    private static readonly Encoding s_utf16 = Encoding.Unicode;

    private readonly ImageFileWriter _file;
    private BlockFile? _blocks;
    private long _size;

    /// <summary>Names the image; nothing is touched before <see cref="BeginAsync"/>.</summary>
    /// <param name="path">The image to make.</param>
    /// <param name="overwrite">Replace a file of that name; it stays as it is until the new one is complete.</param>
    public VhdxDiskTarget(string path, bool overwrite = false) => _file = new ImageFileWriter(path, overwrite);

    /// <summary>The image's full path.</summary>
    public string Path => _file.Path;

    /// <summary>The id that the disk gets; a new one unless told.</summary>
    public Guid VirtualDiskId { get; init; } = Guid.NewGuid();

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => true;

    /// <inheritdoc/>
    /// <remarks>A size that is no multiple of 512 is rounded up, and what is more reads as zeros.</remarks>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>; also for a size of 0 and of more than 64 TiB, which the format does not
    /// have.</exception>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (sizeBytes is <= 0 or > VhdxFormat.MostBytes)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.LimitExceeded,
                $"A VHDX image cannot hold a disk of {sizeBytes} bytes.", Path,
                "Write a raw image instead; VHDX goes from one sector to 64 TiB.");
        }
        _size = (sizeBytes + Sector - 1) / Sector * Sector;
        long first = BatOffset + BatBytes();
        _file.Begin(first);
        _blocks = new BlockFile(_file, first, _size);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        BlockFile blocks = _blocks ?? throw new InvalidOperationException("The target has not begun.");
        cancellationToken.ThrowIfCancellationRequested();
        blocks.Write(offset, bytes.Span);
        return default;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationExists</c> when somebody made a file of that name meanwhile;
    /// <c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public Task CompleteAsync(CancellationToken cancellationToken)
    {
        BlockFile blocks = _blocks ?? throw new InvalidOperationException("The target has not begun.");
        _file.SetLength(blocks.End);
        WriteTable(blocks, cancellationToken);
        _file.Write(MetadataOffset, Metadata(blocks.BlockBytes));
        byte[] regions = Regions();
        _file.Write(VhdxFormat.RegionTableOffset1, regions);
        _file.Write(VhdxFormat.RegionTableOffset2, regions);
        // Of one state, and the second one counts.
        Guid fileWrite = Guid.NewGuid(), dataWrite = Guid.NewGuid();
        _file.Write(VhdxFormat.HeaderOffset1, Header(1, fileWrite, dataWrite));
        _file.Write(VhdxFormat.HeaderOffset2, Header(2, fileWrite, dataWrite));
        byte[] identifier = [.. Encoding.ASCII.GetBytes("vhdxfile"), .. s_utf16.GetBytes("Natalia.Backup")];
        _file.Write(0, identifier);
        _file.Complete(cancellationToken);
        return Task.CompletedTask;
    }

    /// <summary>Closes the file, and deletes it when it was not completed.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>The path.</summary>
    public override string ToString() => Path;

    private static long Ratio(long blockBytes) => VhdxFormat.SectorsOfBitmap * Sector / blockBytes;

    private long BatBytes()
    {
        long block = BlockFile.BlockBytesOf(_size), blocks = (_size + block - 1) / block;
        long entries = blocks + (blocks - 1) / Ratio(block);
        return (entries * sizeof(ulong) + VhdxFormat.MiB - 1) / VhdxFormat.MiB * VhdxFormat.MiB;
    }

    /// <summary>Entries of sector bitmaps stand between those of the blocks, and are empty without a parent.</summary>
    private void WriteTable(BlockFile blocks, CancellationToken cancellationToken)
    {
        var page = new byte[64 * 1024];
        long pageStart = 0, ratio = Ratio(blocks.BlockBytes);
        for (long block = 0; block < blocks.Count; block++)
        {
            long at = (block + block / ratio) * sizeof(ulong);
            if (at - pageStart >= page.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                _file.Write(BatOffset + pageStart, page);
                Array.Clear(page, 0, page.Length);
                pageStart = at / page.Length * page.Length;
            }
            if (blocks.PlaceOf(block) is long place and not 0)
                BinaryPrimitives.WriteInt64LittleEndian(page.AsSpan((int)(at - pageStart)),
                    place | (uint)VhdxFormat.BlockPresent);
        }
        _file.Write(BatOffset + pageStart, page);
    }

    private static byte[] Header(ulong sequence, Guid fileWrite, Guid dataWrite)
    {
        var header = new byte[VhdxFormat.HeaderBytes];
        Encoding.ASCII.GetBytes("head").CopyTo(header, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sequence);
        fileWrite.ToByteArray().CopyTo(header, 16);
        dataWrite.ToByteArray().CopyTo(header, 32);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(66), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(68), (uint)VhdxFormat.MiB);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(72), LogOffset);
        return Sealed(header);
    }

    private byte[] Regions()
    {
        var table = new byte[VhdxFormat.RegionTableBytes];
        Encoding.ASCII.GetBytes("regi").CopyTo(table, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(8), 2);
        Entry(table.AsSpan(16), VhdxFormat.BatRegion, BatOffset, BatBytes());
        Entry(table.AsSpan(48), VhdxFormat.MetadataRegion, MetadataOffset, VhdxFormat.MiB);
        return Sealed(table);

        static void Entry(Span<byte> entry, Guid id, long offset, long length)
        {
            id.ToByteArray().CopyTo(entry);
            BinaryPrimitives.WriteInt64LittleEndian(entry.Slice(16), offset);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.Slice(24), (uint)length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.Slice(28), 1);
        }
    }

    private byte[] Metadata(long blockBytes)
    {
        const uint required = 4, requiredOfDisk = 6;
        var region = new byte[VhdxFormat.MetadataTableBytes + 4096];
        Encoding.ASCII.GetBytes("metadata").CopyTo(region, 0);
        int items = 0, end = VhdxFormat.MetadataTableBytes;
        Item(VhdxFormat.FileParameters, required, BitConverter.GetBytes(blockBytes));
        Item(VhdxFormat.VirtualDiskSize, requiredOfDisk, BitConverter.GetBytes(_size));
        Item(VhdxFormat.VirtualDiskId, requiredOfDisk, VirtualDiskId.ToByteArray());
        Item(VhdxFormat.LogicalSectorSize, requiredOfDisk, BitConverter.GetBytes(Sector));
        Item(VhdxFormat.PhysicalSectorSize, requiredOfDisk, BitConverter.GetBytes(PhysicalSector));
        BinaryPrimitives.WriteUInt16LittleEndian(region.AsSpan(10), (ushort)items);
        return region;

        void Item(Guid id, uint flags, byte[] content)
        {
            Span<byte> entry = region.AsSpan(++items * VhdxFormat.TableEntryBytes, VhdxFormat.TableEntryBytes);
            id.ToByteArray().CopyTo(entry);
            BinaryPrimitives.WriteInt32LittleEndian(entry.Slice(16), end);
            BinaryPrimitives.WriteInt32LittleEndian(entry.Slice(20), content.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.Slice(24), flags);
            content.CopyTo(region, end);
            end += content.Length;
        }
    }

    private static byte[] Sealed(byte[] structure)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(structure.AsSpan(4), Crc32C.Of(structure));
        return structure;
    }
}
