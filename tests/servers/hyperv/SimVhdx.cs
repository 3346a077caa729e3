using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>
/// Writes VHDX files as a host has them, from [MS-VHDX] and by none of the product's code: dynamic ones, and those of
/// checkpoints with a bit for each sector that is theirs.
/// </summary>
internal static class SimVhdx
{
    private const int Sector = 512;
    private const long MiB = 1 << 20;

    /// <summary>Writes a file.</summary>
    /// <param name="path">Where.</param>
    /// <param name="data">The bytes of the disk.</param>
    /// <param name="present">Which sectors are in this file; null for all.</param>
    /// <param name="diskId">The disk's id, the same along a chain.</param>
    /// <param name="state">The id of the state.</param>
    /// <param name="parent">The parent's state, its path on the host and its name beside; null for none.</param>
    internal static void Write(string path, byte[] data, bool[]? present, Guid diskId, Guid state,
        (Guid State, string Path, string Name)? parent)
    {
        const long block = 1 * MiB;
        const int ratio = (int)((1L << 23) * Sector / block);
        int blocks = (int)((data.Length + block - 1) / block);
        int chunks = (blocks + ratio - 1) / ratio;
        long bitmapAt = 4 * MiB, dataAt = bitmapAt + (parent is null ? 0 : chunks * MiB);
        using FileStream file = new(path, FileMode.Create, FileAccess.ReadWrite,
            FileShare.ReadWrite | FileShare.Delete);
        file.SetLength(dataAt + blocks * block);
        Put(file, 0, Encoding.ASCII.GetBytes("vhdxfile"));
        for (int i = 0; i < 2; i++)
        {
            byte[] header = new byte[4096];
            Encoding.ASCII.GetBytes("head").CopyTo(header, 0);
            BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), (ulong)(i + 1));
            Guid.NewGuid().ToByteArray().CopyTo(header, 16);
            state.ToByteArray().CopyTo(header, 32);
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(66), 1);
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(68), (uint)MiB);
            BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(72), (ulong)MiB);
            Seal(header);
            Put(file, (i + 1) * 65536, header);
        }
        byte[] regions = new byte[65536];
        Encoding.ASCII.GetBytes("regi").CopyTo(regions, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(regions.AsSpan(8), 2);
        Region(regions.AsSpan(16), "2DC27766-F623-4200-9D64-115E9BFD4A08", 3 * MiB);
        Region(regions.AsSpan(48), "8B7CA206-4790-4B9A-B8FE-575F050F886E", 2 * MiB);
        Seal(regions);
        Put(file, 3 * 65536, regions);
        Put(file, 4 * 65536, regions);
        PutMetadata(file, block, data.Length, diskId, parent);

        // Of a disk of less than 4 GiB, whose sectors one bitmap tells of.
        byte[] bitmap = new byte[data.Length / Sector / 8 + 1];
        var entries = new byte[(blocks + chunks) * 8 + (parent is null ? 0 : chunks * ratio * 8)];
        for (int b = 0; b < blocks; b++)
        {
            int from = (int)(b * block), length = (int)Math.Min(block, data.Length - from);
            int first = from / Sector, count = length / Sector;
            int here = present is null ? count : Enumerable.Range(first, count).Count(s => present[s]);
            ulong kind = here == count ? (data.AsSpan(from, length).ContainsAnyExcept((byte)0) ? 6u : 2u)
                : here == 0 ? 0u : 7u;
            if (parent is null && here == 0) kind = 2;
            for (int s = first; s < first + count; s++)
            {
                if (present is null || present[s]) bitmap[s / 8] |= (byte)(1 << (s % 8));
            }
            if (kind is 6 or 7)
            {
                Put(file, dataAt + b * block, data.AsSpan(from, length).ToArray());
                kind |= (ulong)((dataAt + b * block) / MiB) << 20;
            }
            BinaryPrimitives.WriteUInt64LittleEndian(entries.AsSpan((b + b / ratio) * 8), kind);
        }
        if (parent is not null)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(entries.AsSpan(ratio * 8), 6 | (ulong)(bitmapAt / MiB) << 20);
            Put(file, bitmapAt, bitmap);
        }
        Put(file, 3 * MiB, entries);
    }

    private static void PutMetadata(FileStream file, long block, long size, Guid diskId,
        (Guid State, string Path, string Name)? parent)
    {
        byte[] parameters = new byte[8], length = new byte[8], sector = new byte[4], physical = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(parameters, (uint)block);
        BinaryPrimitives.WriteUInt32LittleEndian(parameters.AsSpan(4), parent is null ? 0u : 2u);
        BinaryPrimitives.WriteInt64LittleEndian(length, size);
        BinaryPrimitives.WriteUInt32LittleEndian(sector, Sector);
        BinaryPrimitives.WriteUInt32LittleEndian(physical, 4096);
        var items = new List<(string Id, uint Flags, byte[] Value)>
        {
            ("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", 4, parameters),
            ("2FA54224-CD1B-4876-B211-5DBED83BF4B8", 6, length),
            ("BECA12AB-B2E6-4523-93EF-C309E000C746", 6, diskId.ToByteArray()),
            ("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", 6, sector),
            ("CDA348C7-445D-4471-9CC9-E9885251C556", 6, physical),
        };
        if (parent is not null)
            items.Add(("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", 4, Locator(parent.Value)));
        byte[] table = new byte[65536];
        Encoding.ASCII.GetBytes("metadata").CopyTo(table, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(10), (ushort)items.Count);
        int at = 65536;
        for (int i = 0; i < items.Count; i++)
        {
            Span<byte> entry = table.AsSpan(32 + i * 32);
            new Guid(items[i].Id).TryWriteBytes(entry);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)at);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[20..], (uint)items[i].Value.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], items[i].Flags);
            Put(file, 2 * MiB + at, items[i].Value);
            at += (items[i].Value.Length + 7) / 8 * 8;
        }
        Put(file, 2 * MiB, table);
    }

    private static byte[] Locator((Guid State, string Path, string Name) parent)
    {
        (string Key, string Value)[] pairs =
        [
            ("parent_linkage", parent.State.ToString("B")), ("relative_path", @".\" + parent.Name),
            ("absolute_win32_path", parent.Path),
        ];
        byte[] text = new byte[4096];
        new Guid("B04AEFB7-D19E-4A81-B789-25B8E9445913").TryWriteBytes(text);
        BinaryPrimitives.WriteUInt16LittleEndian(text.AsSpan(18), (ushort)pairs.Length);
        int at = 20 + pairs.Length * 12;
        for (int i = 0; i < pairs.Length; i++)
        {
            byte[] key = Encoding.Unicode.GetBytes(pairs[i].Key), value = Encoding.Unicode.GetBytes(pairs[i].Value);
            Span<byte> entry = text.AsSpan(20 + i * 12);
            BinaryPrimitives.WriteUInt32LittleEndian(entry, (uint)at);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], (uint)(at + key.Length));
            BinaryPrimitives.WriteUInt16LittleEndian(entry[8..], (ushort)key.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[10..], (ushort)value.Length);
            key.CopyTo(text, at);
            value.CopyTo(text, at + key.Length);
            at += key.Length + value.Length;
        }
        return text[..at];
    }

    private static void Region(Span<byte> entry, string id, long offset)
    {
        new Guid(id).TryWriteBytes(entry);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[16..], (ulong)offset);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], (uint)MiB);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[28..], 1);
    }

    private static void Seal(byte[] structure) => BinaryPrimitives.WriteUInt32LittleEndian(structure.AsSpan(4),
        Crc32C(structure));

    private static uint Crc32C(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes) crc = s_crc[(byte)(crc ^ b)] ^ crc >> 8;
        return ~crc;
    }

    private static readonly uint[] s_crc = [.. Enumerable.Range(0, 256).Select(n =>
    {
        uint crc = (uint)n;
        for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
        return crc;
    })];

    private static void Put(FileStream file, long at, byte[] bytes)
    {
        file.Position = at;
        file.Write(bytes);
    }
}
