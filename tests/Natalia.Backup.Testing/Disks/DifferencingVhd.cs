using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Testing.Disks;

/// <summary>Makes a differencing VHD, which no tool on Linux makes, after Microsoft's specification.</summary>
public static class DifferencingVhd
{
    private const int Block = 2 * 1024 * 1024, Sector = 512, Bitmap = 512;

    /// <summary>A child of an image, with some bytes of its own: whole sectors of one value.</summary>
    public static byte[] Make(byte[] parent, long sizeBytes, string parentName,
        IReadOnlyList<(int Offset, int Length, byte Value)> writes)
    {
        byte[] footer = parent.AsSpan(parent.Length - Sector).ToArray();
        byte[] parentId = footer.AsSpan(68, 16).ToArray();
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(16), Sector);
        BinaryPrimitives.WriteInt32BigEndian(footer.AsSpan(60), 4);
        Guid.NewGuid().ToByteArray().CopyTo(footer, 68);
        Seal(footer, 64);

        int blocks = (int)((sizeBytes + Block - 1) / Block);
        const int table = Sector + 1024, path = table + 4096;
        byte[] relative = Encoding.Unicode.GetBytes(@".\" + parentName);
        int end = path + Sector;
        var places = new SortedDictionary<int, int>();
        foreach ((int offset, int length, _) in writes)
        {
            for (int at = offset; at < offset + length; at += Sector)
            {
                if (places.ContainsKey(at / Block)) continue;
                places.Add(at / Block, end);
                end += Bitmap + Block;
            }
        }
        var image = new byte[end + Sector];
        footer.CopyTo(image, 0);
        footer.CopyTo(image, end);

        var header = new byte[1024];
        Encoding.ASCII.GetBytes("cxsparse").CopyTo(header, 0);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(8), -1);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(16), table);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(24), 0x10000);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(28), blocks);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(32), Block);
        parentId.CopyTo(header, 40);
        Encoding.BigEndianUnicode.GetBytes(parentName).CopyTo(header, 64);
        Encoding.ASCII.GetBytes("W2ru").CopyTo(header, 576);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(580), Sector);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(584), relative.Length);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(592), path);
        Seal(header, 36);
        header.CopyTo(image, Sector);
        relative.CopyTo(image, path);
        for (int i = 0; i < 1024; i++)
            BinaryPrimitives.WriteInt32BigEndian(image.AsSpan(table + i * 4),
                places.TryGetValue(i, out int place) ? place / Sector : -1);
        foreach ((int offset, int length, byte value) in writes)
        {
            for (int at = offset; at < offset + length; at += Sector)
            {
                int start = places[at / Block], sector = at % Block / Sector;
                image[start + sector / 8] |= (byte)(0x80 >> sector % 8);
                image.AsSpan(start + Bitmap + at % Block, Sector).Fill(value);
            }
        }
        return image;
    }

    /// <summary>Gives a structure its checksum.</summary>
    public static void Seal(byte[] structure, int at)
    {
        structure.AsSpan(at, 4).Clear();
        uint sum = 0;
        foreach (byte b in structure) sum += b;
        BinaryPrimitives.WriteUInt32BigEndian(structure.AsSpan(at), ~sum);
    }
}
