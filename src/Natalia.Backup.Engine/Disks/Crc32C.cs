namespace Natalia.Backup.Engine.Disks;

/// <summary>CRC-32C (Castagnoli, reflected 0x82F63B78), which VHDX protects its structures with.</summary>
internal static class Crc32C
{
    private static readonly uint[] s_table = MakeTable();

    /// <summary>The checksum of bytes. That of the nine digits "123456789" is E3069283.</summary>
    internal static uint Of(ReadOnlySpan<byte> bytes) => ~Update(uint.MaxValue, bytes);

    /// <summary>Goes on with a checksum that begins with all bits set; complement the last one.</summary>
    internal static uint Update(uint state, ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes) state = s_table[(byte)(state ^ b)] ^ (state >> 8);
        return state;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++) value = (value & 1) == 0 ? value >> 1 : (value >> 1) ^ 0x82F63B78;
            table[i] = value;
        }
        return table;
    }
}
