using System.Buffers.Binary;
#if NET8_0_OR_GREATER
using System.Numerics;
#endif

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// CRC-32C (Castagnoli, reflected 0x82F63B78), which VHDX and iSCSI protect what they carry with. By the processor's
/// own instruction where the framework offers it.
/// </summary>
public static class Crc32C
{
#if !NET8_0_OR_GREATER
    private static readonly uint[] s_table = MakeTable();
#endif

    /// <summary>The checksum of bytes. That of the nine digits "123456789" is E3069283.</summary>
    /// <param name="bytes">The bytes.</param>
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Update(uint.MaxValue, bytes);

    /// <summary>Goes on with a checksum that begins with all bits set; complement the last one.</summary>
    /// <param name="state">What came out before.</param>
    /// <param name="bytes">The bytes that follow.</param>
    public static uint Update(uint state, ReadOnlySpan<byte> bytes)
    {
#if NET8_0_OR_GREATER
        while (bytes.Length >= 8)
        {
            state = BitOperations.Crc32C(state, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes.Slice(8);
        }
        foreach (byte b in bytes) state = BitOperations.Crc32C(state, b);
        return state;
#else
        // Eight bytes at once: 8 tables of 256 lines, one behind the other.
        while (bytes.Length >= 8)
        {
            uint low = state ^ BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            uint high = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Slice(4));
            state = s_table[0x700 + (byte)low] ^ s_table[0x600 + (byte)(low >> 8)]
                ^ s_table[0x500 + (byte)(low >> 16)] ^ s_table[0x400 + (byte)(low >> 24)]
                ^ s_table[0x300 + (byte)high] ^ s_table[0x200 + (byte)(high >> 8)]
                ^ s_table[0x100 + (byte)(high >> 16)] ^ s_table[(byte)(high >> 24)];
            bytes = bytes.Slice(8);
        }
        foreach (byte b in bytes) state = s_table[(byte)(state ^ b)] ^ (state >> 8);
        return state;
#endif
    }

#if !NET8_0_OR_GREATER
    private static uint[] MakeTable()
    {
        var table = new uint[8 * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++) value = (value & 1) == 0 ? value >> 1 : (value >> 1) ^ 0x82F63B78;
            table[i] = value;
        }
        for (int i = 256; i < table.Length; i++) table[i] = table[(byte)table[i - 256]] ^ (table[i - 256] >> 8);
        return table;
    }
#endif
}
