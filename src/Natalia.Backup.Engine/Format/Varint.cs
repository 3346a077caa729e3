namespace Natalia.Backup.Engine.Format;

/// <summary>Unsigned LEB128, at most 10 bytes.</summary>
internal static class Varint
{
    internal const int MaximumLength = 10;

    internal static int Write(Span<byte> bytes, ulong value)
    {
        int at = 0;
        while (value >= 0x80)
        {
            bytes[at++] = (byte)(value | 0x80);
            value >>= 7;
        }
        bytes[at++] = (byte)value;
        return at;
    }

    /// <exception cref="FormatException">The bytes end inside a number, or it is too large.</exception>
    internal static ulong Read(ref ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int shift = 0, at = 0; shift < 64; shift += 7, at++)
        {
            if (at >= bytes.Length) throw new FormatException("A number is cut off.");
            byte b = bytes[at];
            if (shift == 63 && b > 1) break;
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                bytes = bytes.Slice(at + 1);
                return value;
            }
        }
        throw new FormatException("A number is too large.");
    }

    internal static int ReadInt(ref ReadOnlySpan<byte> bytes)
    {
        ulong value = Read(ref bytes);
        return value <= int.MaxValue ? (int)value : throw new FormatException("A number is too large.");
    }
}
