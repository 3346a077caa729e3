using System.Buffers.Binary;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>
/// Reads a stream-optimised VMDK image in one pass, as it comes from a server: nothing is sought, and one grain is
/// held. Not thread-safe.
/// </summary>
public sealed class VmdkStreamReader : IDisposable
{
    private readonly Stream _stream;
    private readonly ImageFault _fault;
    private readonly VmdkHeader _header;
    private readonly byte[] _sector = new byte[VmdkFormat.Sector];
    private readonly byte[] _packed;
    private readonly byte[] _grain;
    private bool _isOver;

    private VmdkStreamReader(Stream stream, ImageFault fault, VmdkHeader header)
    {
        _stream = stream;
        _fault = fault;
        _header = header;
        _grain = new byte[header.GrainBytes];
        _packed = new byte[GrainCodec.MostPacked(header.GrainBytes) + VmdkFormat.Sector];
    }

    /// <summary>The disk's size in bytes.</summary>
    public long SizeBytes => _header.SizeBytes;

    /// <summary>Reads the header.</summary>
    /// <param name="stream">The image from its first byte on. It is closed with the reader, and not when this fails.
    /// </param>
    /// <param name="name">What it is called, for errors.</param>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    public static async Task<VmdkStreamReader> OpenAsync(Stream stream, string name,
        CancellationToken cancellationToken)
    {
        var fault = new ImageFault("VMDK", new Named(name));
        var first = new byte[VmdkFormat.Sector];
        await FillAsync(stream, fault, first, first.Length, cancellationToken).ConfigureAwait(false);
        VmdkHeader header = VmdkHeader.Parse(fault, first);
        if (!header.IsCompressed || (header.Flags & VmdkFormat.FlagMarkers) == 0)
            throw fault.NotSupported("is not stream-optimised, and cannot be read in one pass");
        var reader = new VmdkStreamReader(stream, fault, header);
        await reader.SkipToFirstMarkerAsync(first, cancellationToken).ConfigureAwait(false);
        return reader;
    }

    /// <summary>
    /// The next grain of the disk, in the order of the image; what no grain covers is zeros. Null at the image's end,
    /// which it reaches only when it was not cut off.
    /// </summary>
    /// <returns>Where in the disk, and the bytes, which are there until the next call.</returns>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>.</exception>
    /// <exception cref="IOException">The stream breaks off.</exception>
    public async ValueTask<(long Offset, ReadOnlyMemory<byte> Bytes)?> ReadNextAsync(
        CancellationToken cancellationToken)
    {
        while (!_isOver)
        {
            await FillAsync(_stream, _fault, _sector, VmdkFormat.Sector, cancellationToken).ConfigureAwait(false);
            ulong value = BinaryPrimitives.ReadUInt64LittleEndian(_sector);
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(_sector.AsSpan(8));
            if (size > 0) return await ReadGrainAsync(value, size, cancellationToken).ConfigureAwait(false);
            uint kind = BinaryPrimitives.ReadUInt32LittleEndian(_sector.AsSpan(12));
            if (kind == VmdkFormat.MarkerEnd) _isOver = true;
            else if (kind > VmdkFormat.MarkerFooter || value > (ulong)MostSectors(kind))
                throw _fault.Invalid($"it has a marker of the kind {kind} for {value} sectors");
            else
            {
                for (ulong i = 0; i < value; i++)
                    await FillAsync(_stream, _fault, _sector, VmdkFormat.Sector, cancellationToken)
                        .ConfigureAwait(false);
            }
        }
        return null;
    }

    /// <summary>Closes the stream.</summary>
    public void Dispose() => _stream.Dispose();

    /// <summary>What stands between the header and the first grain: the text, and what fills it up.</summary>
    private async ValueTask SkipToFirstMarkerAsync(byte[] header, CancellationToken cancellationToken)
    {
        long overhead = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(64));
        if (overhead < 1 || overhead > VmdkFormat.MostDescriptorBytes / VmdkFormat.Sector)
            throw _fault.Invalid($"its grains are said to begin at sector {(ulong)overhead}");
        for (long i = 1; i < overhead; i++)
            await FillAsync(_stream, _fault, _sector, VmdkFormat.Sector, cancellationToken).ConfigureAwait(false);
    }

    private long MostSectors(uint kind) => kind switch
    {
        VmdkFormat.MarkerTable => VmdkFormat.EntriesOfTable * sizeof(uint) / VmdkFormat.Sector,
        VmdkFormat.MarkerDirectory => _header.Tables * sizeof(uint) / VmdkFormat.Sector + 1,
        _ => 1,
    };

    private async ValueTask<(long Offset, ReadOnlyMemory<byte> Bytes)?> ReadGrainAsync(ulong sector, uint size,
        CancellationToken cancellationToken)
    {
        const int head = 12;
        long ofGrain = _header.GrainBytes / VmdkFormat.Sector;
        if (sector % (ulong)ofGrain != 0 || sector >= (ulong)(SizeBytes / VmdkFormat.Sector))
            throw _fault.Invalid($"it has a grain at sector {sector} of the disk");
        if (size > GrainCodec.MostPacked(_header.GrainBytes))
            throw _fault.Invalid($"a grain is said to have {size} bytes");
        int inFirst = (int)Math.Min(size, VmdkFormat.Sector - head);
        _sector.AsSpan(head, inFirst).CopyTo(_packed);
        int rest = ((int)size - inFirst + VmdkFormat.Sector - 1) / VmdkFormat.Sector * VmdkFormat.Sector;
        await FillAsync(_stream, _fault, _packed, rest, cancellationToken, inFirst).ConfigureAwait(false);
        long offset = (long)sector * VmdkFormat.Sector;
        int needed = (int)Math.Min(_grain.Length, SizeBytes - offset);
        if (GrainCodec.Unpack(_packed, (int)size, _grain, needed) is string wrong)
            throw _fault.Invalid($"the grain at sector {sector} of the disk {wrong}");
        return (offset, _grain.AsMemory(0, needed));
    }

    private static async ValueTask FillAsync(Stream stream, ImageFault fault, byte[] buffer, int length,
        CancellationToken cancellationToken, int at = 0)
    {
        int end = at + length;
        while (at < end)
        {
            int now = await stream.ReadAsync(buffer, at, end - at, cancellationToken).ConfigureAwait(false);
            if (now == 0) throw fault.Invalid("it ends before its end is marked: it was cut off");
            at += now;
        }
    }

    /// <summary>Lends the stream a name where errors want one.</summary>
    private sealed class Named(string name) : IDiskSource
    {
        public long SizeBytes => 0;
        public IAsyncEnumerable<Model.Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
            throw new NotSupportedException();
        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
            throw new NotSupportedException();
        public void Dispose() { }
        public override string ToString() => name;
    }
}
