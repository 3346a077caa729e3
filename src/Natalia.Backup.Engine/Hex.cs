namespace Natalia.Backup.Engine;

/// <summary>Lowercase hexadecimal, which netstandard2.0 lacks.</summary>
public static class Hex
{
    /// <summary>Two digits for each byte.</summary>
    /// <param name="bytes">The bytes.</param>
    public static string ToString(ReadOnlySpan<byte> bytes)
    {
        const string digits = "0123456789abcdef";
        var text = new char[bytes.Length * 2];
        for (int i = 0; i < bytes.Length; i++)
        {
            text[2 * i] = digits[bytes[i] >> 4];
            text[2 * i + 1] = digits[bytes[i] & 15];
        }
        return new string(text);
    }

    /// <summary>Reads lowercase hexadecimal of exactly the buffer's size.</summary>
    /// <param name="text">The digits, lowercase, and nothing else.</param>
    /// <param name="bytes">Gets the bytes.</param>
    /// <returns>False when the text is another one; the bytes are then not to be used.</returns>
    public static bool TryParse(string? text, Span<byte> bytes)
    {
        if (text is null || text.Length != bytes.Length * 2) return false;
        for (int i = 0; i < bytes.Length; i++)
        {
            int high = Digit(text[2 * i]), low = Digit(text[2 * i + 1]);
            if ((high | low) < 0) return false;
            bytes[i] = (byte)(high << 4 | low);
        }
        return true;
    }

    private static int Digit(char c) => c is >= '0' and <= '9' ? c - '0' : c is >= 'a' and <= 'f' ? c - 'a' + 10 : -1;
}
