using System.Globalization;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>How much memory a VM can have on this machine without pushing others aside.</summary>
internal static class HostMemory
{
    private const long Least = 256L << 20, Spared = 512L << 20, Unit = 1L << 20;

    /// <summary>The wish, or what this machine has left for it; whole MiB, 256 at least.</summary>
    internal static long Bound(long wished, long? available) =>
        Math.Max(Least, Math.Min(wished, available is long a ? a - Spared : wished)) / Unit * Unit;

    /// <summary>What the system says is available, in bytes; null where it does not say.</summary>
    internal static long? GetAvailable()
    {
        const string file = "/proc/meminfo", name = "MemAvailable:";
        if (!File.Exists(file)) return null;
        string? line = File.ReadLines(file).FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        string number = (line ?? "").Replace(name, "").Replace("kB", "").Trim();
        return long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long kib) ? kib << 10 : null;
    }
}
