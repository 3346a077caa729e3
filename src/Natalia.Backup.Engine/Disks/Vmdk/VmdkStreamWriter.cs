using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>
/// Writes a stream-optimised VMDK image in one pass: compressed grains, each told by a marker, their tables behind
/// them, the directory at the end. What is zero is left out. Not thread-safe; grains that are handed over together are
/// compressed by all processors.
/// </summary>
/// <param name="sink">Takes the image's bytes, one after another.</param>
/// <param name="sizeBytes">The disk's size in bytes, a multiple of 512.</param>
/// <param name="fileName">What the text in it calls the file.</param>
internal sealed class VmdkStreamWriter(Action<ReadOnlyMemory<byte>> sink, long sizeBytes, string fileName)
{
    private const int Grain = VmdkFormat.GrainBytes, OverheadSectors = 128, MostTogether = 32;
    private const long TableSpan = Grain * (long)VmdkFormat.EntriesOfTable;

    private readonly MemoryStream[] _packed = [.. Enumerable.Range(0, MostTogether).Select(_ => new MemoryStream())];
    private readonly byte[] _partial = new byte[Grain];
    private readonly uint[] _directory = new uint[(int)((sizeBytes + TableSpan - 1) / TableSpan)];
    private readonly uint[] _table = new uint[VmdkFormat.EntriesOfTable];
    private readonly MemoryStream _out = new();
    private long _position;
    private long _tableIndex = -1;

    /// <summary>The grain that is being filled; -1 for none.</summary>
    private long _filling = -1;

    /// <summary>How many bytes the image has by now.</summary>
    internal long Position => _position + _out.Length;

    /// <summary>Writes the header; before everything else.</summary>
    internal void Begin()
    {
        var head = new byte[OverheadSectors * VmdkFormat.Sector];
        Header(VmdkFormat.DirectoryAtEnd).CopyTo(head, 0);
        Encoding.UTF8.GetBytes(VmdkDescriptor.Make("streamOptimized", sizeBytes, "SPARSE", fileName))
            .CopyTo(head, VmdkFormat.Sector);
        _out.Write(head, 0, head.Length);
    }

    /// <summary>Writes bytes of the disk, which lie behind all that were written before.</summary>
    internal void Write(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > sizeBytes - bytes.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), "The range must lie inside the disk.");
        while (!bytes.IsEmpty)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long grain = offset / Grain;
            int inGrain = (int)(offset % Grain);
            if (_filling >= 0 && _filling != grain) Finish();
            int taken;
            if (inGrain == 0 && bytes.Length >= Grain && _filling < 0)
            {
                int count = Math.Min(MostTogether, bytes.Length / Grain);
                WriteGrains(grain, bytes.Slice(0, count * Grain), count);
                taken = count * Grain;
            }
            else
            {
                if (_filling < 0) Array.Clear(_partial, 0, Grain);
                _filling = grain;
                taken = Math.Min(bytes.Length, Grain - inGrain);
                bytes.Slice(0, taken).CopyTo(_partial.AsMemory(inGrain));
            }
            offset += taken;
            bytes = bytes.Slice(taken);
        }
    }

    /// <summary>Writes the directory and the end; nothing follows.</summary>
    internal void Complete()
    {
        if (_filling >= 0) Finish();
        CloseTable();
        int directoryBytes = (_directory.Length * sizeof(uint) + VmdkFormat.Sector - 1) / VmdkFormat.Sector
            * VmdkFormat.Sector;
        Marker(directoryBytes / VmdkFormat.Sector, VmdkFormat.MarkerDirectory);
        long directory = Position / VmdkFormat.Sector;
        WriteEntries(_directory, directoryBytes);
        Marker(1, VmdkFormat.MarkerFooter);
        byte[] footer = Header(directory);
        _out.Write(footer, 0, footer.Length);
        Marker(0, VmdkFormat.MarkerEnd);
        Drain();
    }

    private byte[] Header(long directorySector) => VmdkHeader.Make(sizeBytes, version: 3,
        VmdkFormat.FlagCompressed | VmdkFormat.FlagMarkers, directorySector, 0, OverheadSectors, VmdkFormat.Deflate);

    private void Finish()
    {
        long grain = _filling;
        _filling = -1;
        WriteGrains(grain, _partial, 1);
    }

    private void WriteGrains(long first, ReadOnlyMemory<byte> bytes, int count)
    {
        if (count == 1) Pack(0);
        else Parallel.For(0, count, Pack);
        for (int i = 0; i < count; i++)
        {
            MemoryStream packed = _packed[i];
            if (packed.Length == 0) continue;
            long grain = first + i, table = grain / VmdkFormat.EntriesOfTable;
            if (table != _tableIndex)
            {
                if (table < _tableIndex) throw new InvalidOperationException("Writes must come ascending.");
                CloseTable();
                _tableIndex = table;
            }
            _table[grain % VmdkFormat.EntriesOfTable] = SectorNow();
            var head = new byte[12];
            BinaryPrimitives.WriteInt64LittleEndian(head, grain * (Grain / VmdkFormat.Sector));
            BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(8), (int)packed.Length);
            _out.Write(head, 0, head.Length);
            _out.Write(packed.GetBuffer(), 0, (int)packed.Length);
            Pad();
        }
        if (_out.Length >= 4 * 1024 * 1024) Drain();

        void Pack(int index)
        {
            ReadOnlySpan<byte> grain = bytes.Span.Slice(index * Grain, Grain);
            if (ZeroTest.IsZero(grain)) _packed[index].SetLength(0);
            else GrainCodec.Pack(grain, _packed[index]);
        }
    }

    private void CloseTable()
    {
        if (_tableIndex < 0) return;
        Marker(VmdkFormat.EntriesOfTable * sizeof(uint) / VmdkFormat.Sector, VmdkFormat.MarkerTable);
        _directory[_tableIndex] = SectorNow();
        WriteEntries(_table, VmdkFormat.EntriesOfTable * sizeof(uint));
        Array.Clear(_table, 0, _table.Length);
        _tableIndex = -1;
    }

    /// <summary>Sectors are numbered with 32 bits; the size was checked for that.</summary>
    private uint SectorNow() => checked((uint)(Position / VmdkFormat.Sector));

    private void Marker(long sectors, uint kind)
    {
        var marker = new byte[VmdkFormat.Sector];
        BinaryPrimitives.WriteInt64LittleEndian(marker, sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(marker.AsSpan(12), kind);
        _out.Write(marker, 0, marker.Length);
    }

    private void WriteEntries(uint[] entries, int bytes)
    {
        var content = new byte[bytes];
        for (int i = 0; i < entries.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(i * sizeof(uint)), entries[i]);
        _out.Write(content, 0, content.Length);
    }

    private void Pad()
    {
        int over = (int)(_out.Length % VmdkFormat.Sector);
        if (over > 0) _out.SetLength(_out.Length + VmdkFormat.Sector - over);
        _out.Position = _out.Length;
    }

    private void Drain()
    {
        sink(_out.GetBuffer().AsMemory(0, (int)_out.Length));
        _position += _out.Length;
        _out.SetLength(0);
    }
}
