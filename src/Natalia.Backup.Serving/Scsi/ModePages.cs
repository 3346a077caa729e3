using System.Buffers.Binary;

namespace Natalia.Backup.Serving.Scsi;

/// <summary>What MODE SENSE tells: SPC-4 §7.5, SBC-3 §6.4. Nothing of it can be changed.</summary>
internal static class ModePages
{
    internal static byte[] Sense(ReadOnlySpan<byte> cdb, bool isReadOnly, long sectors)
    {
        bool isLong = cdb[0] == 0x5A;
        bool describes = (cdb[1] & 8) == 0, isWide = isLong && (cdb[1] & 0x10) != 0;
        int control = cdb[2] >> 6, page = cdb[2] & 0x3F, sub = cdb[3];
        if (control == 3) throw ScsiException.SavingNotSupported;
        if (sub is not (0 or 0xFF)) throw ScsiException.InvalidField;
        byte[] pages = Pages(page, control == 1);
        if (pages.Length == 0) throw ScsiException.InvalidField;
        byte[] block = describes ? Block(sectors, isWide) : [];
        byte device = (byte)((isReadOnly ? 0x80 : 0) | 0x10);
        int rest = block.Length + pages.Length;
        if (!isLong) return [(byte)(3 + rest), 0, device, (byte)block.Length, .. block, .. pages];
        return [(byte)((6 + rest) >> 8), (byte)(6 + rest), 0, device, (byte)(isWide ? 1 : 0), 0, 0,
            (byte)block.Length, .. block, .. pages];
    }

    private static byte[] Pages(int page, bool changeable)
    {
        var all = new List<byte>();
        if (page is 0x08 or 0x3F)
        {
            // The write cache is on: what is written is durable after SYNCHRONIZE CACHE.
            var caching = new byte[20];
            (caching[0], caching[1], caching[2]) = (0x08, 18, (byte)(changeable ? 0 : 4));
            all.AddRange(caching);
        }
        if (page is 0x0A or 0x3F)
        {
            // Commands may be done in any order; a session that ends ends its tasks.
            var control = new byte[12];
            (control[0], control[1], control[3]) = (0x0A, 10, (byte)(changeable ? 0 : 0x10));
            all.AddRange(control);
        }
        if (page is 0x1C or 0x3F)
        {
            var informational = new byte[12];
            (informational[0], informational[1]) = (0x1C, 10);
            all.AddRange(informational);
        }
        return [.. all];
    }

    private static byte[] Block(long sectors, bool isWide)
    {
        var block = new byte[isWide ? 16 : 8];
        if (isWide)
        {
            BinaryPrimitives.WriteInt64BigEndian(block, sectors);
            BinaryPrimitives.WriteUInt32BigEndian(block.AsSpan(12), ScsiUnit.SectorBytes);
            return block;
        }
        BinaryPrimitives.WriteUInt32BigEndian(block, (uint)Math.Min(sectors, uint.MaxValue));
        BinaryPrimitives.WriteUInt32BigEndian(block.AsSpan(4), ScsiUnit.SectorBytes);
        return block;
    }
}
