using System.Globalization;
using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Files;

/// <summary>
/// What the kernel has counted of a block device's writes. Two equal values, taken at two times, mean that nothing was
/// written through this kernel in between.
/// </summary>
/// <param name="Written">Sectors that were written.</param>
/// <param name="Discarded">Sectors that were given back.</param>
/// <param name="InFlight">Writes that are under way.</param>
internal readonly record struct BlockDeviceWrites(long Written, long Discarded, long InFlight);

/// <summary>
/// What Linux tells of a block device in sysfs (Documentation/block/stat.rst of the kernel), by the number that its
/// node bears.
/// </summary>
internal static class BlockDevice
{
    /// <summary>The unit in which the kernel counts, whatever the device's own.</summary>
    private const int Sector = 512;

    /// <summary>The length in bytes, without opening it; null where it cannot be learned.</summary>
    internal static long? GetLength(ulong device) =>
        Read(device, "size") is string size && TryParse(size, out long sectors) ? sectors * Sector : null;

    /// <summary>True when nobody can write it.</summary>
    internal static bool IsReadOnly(ulong device) => Read(device, "ro") == "1";

    /// <summary>
    /// Prepares an open device for being read, and says whether its writes are counted. What was written to it and not
    /// stored yet is stored; what the kernel holds of it is forgotten, because a mounted file system, or another
    /// machine, writes past that. A first read shows whether anything is counted.
    /// </summary>
    internal static bool Settle(SafeHandle handle, ulong device, long length)
    {
        bool flushed = UnixFile.TryFlush(handle);
        UnixFile.ForgetCached(handle);
        if (!flushed || length == 0 || GetWrites(device) is null || SectorsRead(device) is not long before)
            return false;
        Touch(handle, length);
        return SectorsRead(device) > before;
    }

    /// <summary>
    /// What was written until now; null where it cannot be learned. What waits in this machine's memory is to be
    /// flushed before.
    /// </summary>
    internal static BlockDeviceWrites? GetWrites(ulong device)
    {
        const int Written = 6, Discarded = 13;
        if (Counters(device) is not long[] all || all.Length <= Written) return null;
        string[] inFlight = (Read(device, "inflight") ?? "").Split([' '], StringSplitOptions.RemoveEmptyEntries);
        return new BlockDeviceWrites(all[Written], all.Length > Discarded ? all[Discarded] : 0,
            inFlight.Length == 2 && TryParse(inFlight[1], out long writes) ? writes : 0);
    }

    private static long? SectorsRead(ulong device) => Counters(device) is long[] { Length: > 2 } all ? all[2] : null;

    private static long[]? Counters(ulong device)
    {
        if (Read(device, "stat") is not string text) return null;
        string[] words = text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        var all = new long[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            if (!TryParse(words[i], out all[i])) return null;
        }
        return all;
    }

    private static unsafe void Touch(SafeHandle handle, long length)
    {
        byte* page = stackalloc byte[4096];
        _ = UnixFile.Read(handle, page, (int)Math.Min(4096, length), 0);
    }

    private static bool TryParse(string text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static string? Read(ulong device, string name)
    {
        string file = string.Format(CultureInfo.InvariantCulture, "/sys/dev/block/{0}:{1}/{2}", device >> 32,
            device & 0xFFFFFFFF, name);
        try
        {
            return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            return null;
        }
    }
}
