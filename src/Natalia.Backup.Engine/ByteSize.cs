using System.Globalization;

namespace Natalia.Backup.Engine;

/// <summary>Sizes for the eye. Data keeps bytes.</summary>
public static class ByteSize
{
    private static readonly string[] s_units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>
    /// Three digits and a binary unit: <c>0 B</c>, <c>512 B</c>, <c>1.50 KiB</c>, <c>64.0 MiB</c>, <c>120 GiB</c>.
    /// </summary>
    /// <param name="bytes">How many bytes; below 0 with a sign.</param>
    public static string Format(long bytes)
    {
        double value = Math.Abs((double)bytes);
        int unit = 0;
        while (value >= 1023.5 && unit < s_units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        string format = unit == 0 || value >= 99.95 ? "0" : value >= 9.995 ? "0.0" : "0.00";
        return (bytes < 0 ? "-" : "") + value.ToString(format, CultureInfo.InvariantCulture) + " " + s_units[unit];
    }
}
