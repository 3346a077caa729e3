using System.Buffers.Binary;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>The bytes in one sparse file: its grains lie anywhere in it, and may be compressed.</summary>
internal sealed class VmdkSparseSource : MappedImage
{
    /// <summary>Where a compressed grain begins: its sector in the disk, and its length.</summary>
    private const int GrainHead = 12;

    private readonly ImageFault _fault;
    private readonly VmdkHeader _header;
    private readonly TableCache _tables = new();

    /// <summary>The grain that was unpacked last.</summary>
    private volatile UnpackedGrain? _last;

    private VmdkSparseSource(ImageFault fault, VmdkHeader header) : base(fault.File, header.SizeBytes)
    {
        _fault = fault;
        _header = header;
    }

    /// <summary>The text that is embedded in the file; null when it has none.</summary>
    internal VmdkDescriptor? Descriptor { get; private init; }

    /// <summary>Opens the file. It is closed with the disk, and not when this fails.</summary>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static async Task<VmdkSparseSource> OpenAsync(ImageFault fault, CancellationToken cancellationToken)
    {
        VmdkHeader header = await ReadHeaderAsync(fault, cancellationToken).ConfigureAwait(false);
        long directoryBytes = header.Tables * sizeof(uint);
        if (header.DirectoryOffset <= 0 || header.DirectoryOffset > fault.File.SizeBytes - directoryBytes)
            throw fault.Invalid("its grain directory lies beyond the end of the file");
        VmdkDescriptor? descriptor = null;
        if (header.DescriptorOffset > 0 && header.DescriptorBytes > 0)
        {
            if (header.DescriptorBytes > VmdkFormat.MostDescriptorBytes)
                throw fault.Invalid($"its descriptor is said to have {header.DescriptorBytes} bytes");
            descriptor = VmdkDescriptor.Parse(fault, await fault.ReadAsync(header.DescriptorOffset,
                (int)header.DescriptorBytes, "its descriptor", cancellationToken).ConfigureAwait(false));
        }
        return new VmdkSparseSource(fault, header) { Descriptor = descriptor };
    }

    /// <summary>The header that counts: the footer, where the file was written in one pass.</summary>
    private static async Task<VmdkHeader> ReadHeaderAsync(ImageFault fault, CancellationToken cancellationToken)
    {
        byte[] first = await fault.ReadAsync(0, VmdkFormat.Sector, "its header", cancellationToken)
            .ConfigureAwait(false);
        VmdkHeader header = VmdkHeader.Parse(fault, first);
        if (header.DirectoryOffset != VmdkFormat.DirectoryAtEnd) return header;
        byte[] last = await fault.ReadAsync(fault.File.SizeBytes - 2 * VmdkFormat.Sector, VmdkFormat.Sector,
            "its footer", cancellationToken).ConfigureAwait(false);
        if (!VmdkHeader.IsHeader(last))
            throw fault.Invalid("it does not end with its footer: it was cut off, or is still being written");
        VmdkHeader footer = VmdkHeader.Parse(fault, last);
        return footer.SizeBytes == header.SizeBytes && footer.GrainBytes == header.GrainBytes
            && footer.DirectoryOffset != VmdkFormat.DirectoryAtEnd
            ? footer
            : throw fault.Invalid("its footer contradicts its header");
    }

    /// <inheritdoc/>
    private protected override async ValueTask<ImageRun> FindAsync(long offset, long most,
        CancellationToken cancellationToken)
    {
        long grain = offset / _header.GrainBytes, inGrain = offset % _header.GrainBytes;
        long? table = await FindTableAsync(grain, cancellationToken).ConfigureAwait(false);
        if (table is null)
        {
            long left = (grain / VmdkFormat.EntriesOfTable + 1) * VmdkFormat.EntriesOfTable * _header.GrainBytes
                - offset;
            return new ImageRun(ImageRunKind.Zero, 0, Math.Min(most, left));
        }
        uint entry = await ReadAsync(table.Value, grain, cancellationToken).ConfigureAwait(false);
        long length = Math.Min(most, _header.GrainBytes - inGrain);
        long place = entry * (long)VmdkFormat.Sector;
        bool isZero = IsZero(entry);
        if (!isZero && _header.IsCompressed) return new ImageRun(ImageRunKind.Stored, place, length);
        // Grains that lie one behind another, or nowhere, are one answer, as far as this table goes.
        long expected = entry;
        while (length < most && ++grain % VmdkFormat.EntriesOfTable != 0)
        {
            entry = await ReadAsync(table.Value, grain, cancellationToken).ConfigureAwait(false);
            expected += _header.GrainBytes / VmdkFormat.Sector;
            if (isZero ? !IsZero(entry) : entry != expected) break;
            length = Math.Min(most, length + _header.GrainBytes);
        }
        if (isZero) return new ImageRun(ImageRunKind.Zero, 0, length);
        return place + inGrain <= File.SizeBytes - length
            ? new ImageRun(ImageRunKind.Stored, place + inGrain, length)
            : throw Outside(place);
    }

    /// <inheritdoc/>
    private protected override async ValueTask ReadStoredAsync(ImageRun run, long offset, Memory<byte> part,
        CancellationToken cancellationToken)
    {
        if (!_header.IsCompressed)
        {
            await File.ReadAsync(run.FileOffset, part, cancellationToken).ConfigureAwait(false);
            return;
        }
        byte[] bytes = await UnpackAsync(run.FileOffset, offset / _header.GrainBytes, cancellationToken)
            .ConfigureAwait(false);
        bytes.AsMemory((int)(offset % _header.GrainBytes), part.Length).CopyTo(part);
    }

    private async ValueTask<byte[]> UnpackAsync(long place, long grain, CancellationToken cancellationToken)
    {
        if (_last is UnpackedGrain last && last.Grain == grain) return last.Bytes;
        if (place > File.SizeBytes - GrainHead) throw Outside(place);
        byte[] head = await _fault.ReadAsync(place, GrainHead, "a grain", cancellationToken).ConfigureAwait(false);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(head);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(8));
        if (sector != (ulong)(grain * (_header.GrainBytes / VmdkFormat.Sector)))
            throw _fault.Invalid($"the grain at {place} is said to be of another place of the disk");
        if (length > GrainCodec.MostPacked(_header.GrainBytes))
            throw _fault.Invalid($"the grain at {place} is said to have {length} bytes");
        byte[] packed = await _fault.ReadAsync(place + GrainHead, (int)length, "a grain", cancellationToken)
            .ConfigureAwait(false);
        var bytes = new byte[_header.GrainBytes];
        int needed = (int)Math.Min(bytes.Length, SizeBytes - grain * bytes.Length);
        if (GrainCodec.Unpack(packed, packed.Length, bytes, needed) is string wrong)
            throw _fault.Invalid($"the grain at {place} {wrong}");
        // Whoever reads less than a grain reads the rest of it next.
        _last = new UnpackedGrain(grain, bytes);
        return bytes;
    }

    private bool IsZero(uint entry) => entry == 0 || (entry == 1 && _header.HasZeroedGrains);

    /// <summary>Where the table of a grain is; null where it has none.</summary>
    private async ValueTask<long?> FindTableAsync(long grain, CancellationToken cancellationToken)
    {
        uint sector = await ReadAsync(_header.DirectoryOffset, grain / VmdkFormat.EntriesOfTable, cancellationToken,
            isTable: false).ConfigureAwait(false);
        if (sector == 0) return null;
        long place = sector * (long)VmdkFormat.Sector;
        return place <= File.SizeBytes - VmdkFormat.EntriesOfTable * sizeof(uint)
            ? place
            : throw _fault.Invalid($"a grain table is said to lie at {place}, and the file ends at {File.SizeBytes}");
    }

    private async ValueTask<uint> ReadAsync(long table, long index, CancellationToken cancellationToken,
        bool isTable = true)
    {
        long at = table + (isTable ? index % VmdkFormat.EntriesOfTable : index) * sizeof(uint);
        byte[] page = await _tables.GetAsync(File, at, cancellationToken).ConfigureAwait(false);
        return BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan((int)(at % TableCache.PageBytes)));
    }

    private NataliaException Outside(long place) =>
        _fault.Invalid($"a grain is said to lie at {place}, and the file ends at {File.SizeBytes}");

    private sealed record UnpackedGrain(long Grain, byte[] Bytes);
}
