using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Testing.Disks;

/// <summary>
/// Makes VHDX files of any kind for tests, after [MS-VHDX] and apart from the product's own writer: dynamic ones, and
/// differencing ones, which no tool on Linux makes. What is written is held in memory until it is saved.
/// </summary>
/// <param name="sizeBytes">The disk's size.</param>
public sealed class VhdxBuilder(long sizeBytes)
{
    public const int MiB = 1024 * 1024, BatOffset = 4 * MiB;
    private const int MetadataOffset = 2 * MiB, LogOffset = MiB;

    private readonly SortedDictionary<long, byte[]> _blocks = [];
    private readonly SortedDictionary<long, HashSet<long>> _sectors = [];
    private readonly Dictionary<long, int> _states = [];
    private (Guid Linkage, string? Relative, string? Absolute)? _parent;

    public int BlockBytes { get; init; } = MiB;
    public int SectorBytes { get; init; } = 512;
    public Guid DiskId { get; init; } = Guid.NewGuid();
    public Guid DataWriteGuid { get; set; } = Guid.NewGuid();
    public Guid FileWriteGuid { get; set; } = Guid.NewGuid();

    private long Ratio => (1L << 23) * SectorBytes / BlockBytes;
    private long Blocks => (sizeBytes + BlockBytes - 1) / BlockBytes;

    /// <summary>Makes it a differencing image.</summary>
    public VhdxBuilder WithParent(Guid linkage, string? relativePath, string? absolutePath = null)
    {
        _parent = (linkage, relativePath, absolutePath);
        return this;
    }

    /// <summary>Writes whole sectors. In a differencing image only these are its own.</summary>
    public VhdxBuilder Write(long offset, byte[] bytes)
    {
        if (offset % SectorBytes != 0 || bytes.Length % SectorBytes != 0) throw new ArgumentException("Whole sectors.");
        for (int done = 0; done < bytes.Length; done += SectorBytes)
        {
            long at = offset + done, block = at / BlockBytes;
            if (!_blocks.TryGetValue(block, out byte[]? content)) _blocks.Add(block, content = new byte[BlockBytes]);
            if (!_sectors.TryGetValue(block, out HashSet<long>? set)) _sectors.Add(block, set = []);
            Array.Copy(bytes, done, content, at % BlockBytes, SectorBytes);
            set.Add(at % BlockBytes / SectorBytes);
        }
        return this;
    }

    /// <summary>Gives a block without bytes a state.</summary>
    public VhdxBuilder SetState(long block, int state)
    {
        _states[block] = state;
        return this;
    }

    public void Save(string path)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write);
        byte[] image = Build();
        file.Write(image, 0, image.Length);
    }

    public byte[] Build()
    {
        long entries = _parent is null
            ? Blocks + (Blocks - 1) / Ratio
            : (Blocks + Ratio - 1) / Ratio * (Ratio + 1);
        int batBytes = (int)((entries * 8 + MiB - 1) / MiB * MiB);
        long end = BatOffset + batBytes;
        var bat = new byte[batBytes];
        var bitmaps = new SortedDictionary<long, (long Offset, byte[] Bits)>();
        var places = new SortedDictionary<long, (long Offset, byte[] Bytes)>();
        foreach (KeyValuePair<long, int> state in _states) Set(state.Key + state.Key / Ratio, state.Value, 0);
        foreach (KeyValuePair<long, byte[]> block in _blocks)
        {
            HashSet<long> sectors = _sectors[block.Key];
            bool isPartial = _parent is not null && sectors.Count < BlockBytes / SectorBytes;
            Set(block.Key + block.Key / Ratio, isPartial ? 7 : 6, end);
            places.Add(block.Key, (end, block.Value));
            end += BlockBytes;
            if (!isPartial) continue;
            long chunk = block.Key / Ratio;
            if (!bitmaps.TryGetValue(chunk, out (long Offset, byte[] Bits) bitmap))
            {
                bitmaps.Add(chunk, bitmap = (end, new byte[MiB]));
                Set((chunk + 1) * Ratio + chunk, 6, end);
                end += MiB;
            }
            foreach (long sector in sectors)
            {
                long bit = block.Key % Ratio * (BlockBytes / SectorBytes) + sector;
                bitmap.Bits[bit / 8] |= (byte)(1 << (int)(bit % 8));
            }
        }
        var image = new byte[end];
        Encoding.ASCII.GetBytes("vhdxfile").CopyTo(image, 0);
        Header(sequence: 7).CopyTo(image, 64 * 1024);
        Header(sequence: 8).CopyTo(image, 128 * 1024);
        byte[] regions = Regions(batBytes);
        regions.CopyTo(image, 192 * 1024);
        regions.CopyTo(image, 256 * 1024);
        Metadata().CopyTo(image, MetadataOffset);
        bat.CopyTo(image, BatOffset);
        foreach ((long offset, byte[] bytes) in places.Values.Concat(bitmaps.Values)) bytes.CopyTo(image, offset);
        return image;

        void Set(long index, int state, long offset) => BinaryPrimitives.WriteInt64LittleEndian(
            bat.AsSpan((int)index * 8), (offset / MiB << 20) | (uint)state);
    }

    /// <summary>
    /// Takes 4096-byte sectors out of an image and puts them into its log, as a program leaves it that dies between its
    /// log and the file: the file holds garbage there until the log is replayed.
    /// </summary>
    /// <param name="image">The image; it is changed.</param>
    /// <param name="entries">For each entry of the log, what it writes: sectors of the file by their offset, and
    /// extents of zeros where there are no bytes.</param>
    /// <param name="start">Where in the log the first entry begins.</param>
    public static void PutIntoLog(byte[] image, IReadOnlyList<IReadOnlyList<(long Offset, byte[]? Sector, long Zeros)>>
        entries, int start = 0)
    {
        var log = Guid.NewGuid();
        int at = start;
        ulong sequence = 40;
        foreach (IReadOnlyList<(long Offset, byte[]? Sector, long Zeros)> writes in entries)
        {
            int heads = (64 + writes.Count * 32 + 4095) / 4096 * 4096;
            var entry = new byte[heads + writes.Count(w => w.Sector is not null) * 4096];
            Encoding.ASCII.GetBytes("loge").CopyTo(entry, 0);
            BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(8), entry.Length);
            BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(12), start);
            BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(16), sequence);
            BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(24), writes.Count);
            log.ToByteArray().CopyTo(entry, 32);
            BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(48), image.Length);
            BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(56), image.Length);
            int data = heads;
            for (int i = 0; i < writes.Count; i++)
            {
                Span<byte> descriptor = entry.AsSpan(64 + i * 32, 32);
                BinaryPrimitives.WriteInt64LittleEndian(descriptor.Slice(16), writes[i].Offset);
                BinaryPrimitives.WriteUInt64LittleEndian(descriptor.Slice(24), sequence);
                if (writes[i].Sector is not byte[] sector)
                {
                    Encoding.ASCII.GetBytes("zero").CopyTo(descriptor);
                    BinaryPrimitives.WriteInt64LittleEndian(descriptor.Slice(8), writes[i].Zeros);
                    continue;
                }
                Encoding.ASCII.GetBytes("desc").CopyTo(descriptor);
                sector.AsSpan(4092).CopyTo(descriptor.Slice(4));
                sector.AsSpan(0, 8).CopyTo(descriptor.Slice(8));
                Span<byte> stored = entry.AsSpan(data, 4096);
                sector.CopyTo(stored);
                Encoding.ASCII.GetBytes("data").CopyTo(stored);
                BinaryPrimitives.WriteUInt32LittleEndian(stored.Slice(4), (uint)(sequence >> 32));
                BinaryPrimitives.WriteUInt32LittleEndian(stored.Slice(4092), (uint)sequence);
                data += 4096;
            }
            Seal(entry);
            // The log is a ring.
            for (int i = 0; i < entry.Length; i++) image[LogOffset + (at + i) % MiB] = entry[i];
            at = (at + entry.Length) % MiB;
            sequence++;
        }
        foreach (int header in new[] { 64 * 1024, 128 * 1024 })
        {
            byte[] bytes = image.AsSpan(header, 4096).ToArray();
            log.ToByteArray().CopyTo(bytes, 48);
            Seal(bytes);
            bytes.CopyTo(image, header);
        }
    }

    /// <summary>Gives a structure whose checksum stands at 4 the right one.</summary>
    public static void Seal(byte[] structure)
    {
        structure.AsSpan(4, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(structure.AsSpan(4), Crc32C(structure));
    }

    private byte[] Header(ulong sequence)
    {
        var header = new byte[4096];
        Encoding.ASCII.GetBytes("head").CopyTo(header, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sequence);
        FileWriteGuid.ToByteArray().CopyTo(header, 16);
        DataWriteGuid.ToByteArray().CopyTo(header, 32);
        header[66] = 1;
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(68), MiB);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(72), LogOffset);
        Seal(header);
        return header;
    }

    private static byte[] Regions(int batBytes)
    {
        var table = new byte[64 * 1024];
        Encoding.ASCII.GetBytes("regi").CopyTo(table, 0);
        table[8] = 2;
        Entry(16, "2DC27766-F623-4200-9D64-115E9BFD4A08", BatOffset, batBytes);
        Entry(48, "8B7CA206-4790-4B9A-B8FE-575F050F886E", MetadataOffset, MiB);
        Seal(table);
        return table;

        void Entry(int at, string id, long offset, int length)
        {
            new Guid(id).ToByteArray().CopyTo(table, at);
            BinaryPrimitives.WriteInt64LittleEndian(table.AsSpan(at + 16), offset);
            BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(at + 24), length);
            table[at + 28] = 1;
        }
    }

    private byte[] Metadata()
    {
        var region = new byte[MiB];
        Encoding.ASCII.GetBytes("metadata").CopyTo(region, 0);
        int items = 0, end = 64 * 1024;
        Item("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", 4,
            [.. BitConverter.GetBytes(BlockBytes), .. BitConverter.GetBytes(_parent is null ? 0 : 2)]);
        Item("2FA54224-CD1B-4876-B211-5DBED83BF4B8", 6, BitConverter.GetBytes(sizeBytes));
        Item("BECA12AB-B2E6-4523-93EF-C309E000C746", 6, DiskId.ToByteArray());
        Item("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", 6, BitConverter.GetBytes(SectorBytes));
        Item("CDA348C7-445D-4471-9CC9-E9885251C556", 6, BitConverter.GetBytes(4096));
        if (_parent is not null) Item("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", 4, Locator());
        return region;

        void Item(string id, int flags, byte[] content)
        {
            items++;
            region[10] = (byte)items;
            new Guid(id).ToByteArray().CopyTo(region, items * 32);
            BinaryPrimitives.WriteInt32LittleEndian(region.AsSpan(items * 32 + 16), end);
            BinaryPrimitives.WriteInt32LittleEndian(region.AsSpan(items * 32 + 20), content.Length);
            BinaryPrimitives.WriteInt32LittleEndian(region.AsSpan(items * 32 + 24), flags);
            content.CopyTo(region, end);
            end += content.Length;
        }
    }

    private byte[] Locator()
    {
        var pairs = new List<(string Key, string Value)> { ("parent_linkage", $"{{{_parent!.Value.Linkage}}}") };
        if (_parent.Value.Relative is string relative) pairs.Add(("relative_path", relative));
        if (_parent.Value.Absolute is string absolute) pairs.Add(("absolute_win32_path", absolute));
        var locator = new byte[4096];
        new Guid("B04AEFB7-D19E-4A81-B789-25B8E9445913").ToByteArray().CopyTo(locator, 0);
        locator[18] = (byte)pairs.Count;
        int end = 20 + pairs.Count * 12;
        for (int i = 0; i < pairs.Count; i++)
        {
            Span<byte> entry = locator.AsSpan(20 + i * 12, 12);
            BinaryPrimitives.WriteInt32LittleEndian(entry, end);
            end += Put(pairs[i].Key, entry.Slice(8));
            BinaryPrimitives.WriteInt32LittleEndian(entry.Slice(4), end);
            end += Put(pairs[i].Value, entry.Slice(10));
        }
        return locator.AsSpan(0, end).ToArray();

        int Put(string text, Span<byte> length)
        {
            byte[] bytes = Encoding.Unicode.GetBytes(text);
            bytes.CopyTo(locator, end);
            BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)bytes.Length);
            return bytes.Length;
        }
    }

    private static uint Crc32C(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F63B78;
        }
        return ~crc;
    }
}
