using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// Disk images of each format against a raw one: the same disk is written and read by turns, and the medians of a run
/// are set against each other. What is read lies in the page cache, so it is the format's own cost that is seen.
/// </summary>
internal static class ImageSpeed
{
    private const int Step = 4 * 1024 * 1024;

    private static readonly DiskFormat[] s_formats =
        [DiskFormat.Raw, DiskFormat.Vhdx, DiskFormat.Vmdk, DiskFormat.VmdkFlat, DiskFormat.VmdkStreamOptimized];

    internal static async Task RunAsync(int mebibytes, int rounds, string? folder, string? json = null)
    {
        string place = Path.Combine(folder ?? Path.GetTempPath(), "natalia-images-" + Environment.ProcessId);
        Directory.CreateDirectory(place);
        try
        {
            await RunInAsync(place, mebibytes, rounds, json);
        }
        finally
        {
            Directory.Delete(place, recursive: true);
        }
    }

    private static async Task RunInAsync(string place, int mebibytes, int rounds, string? json)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(Step + 4096, pinned: true);
        Memory<byte> memory = Aligned(buffer);
        FillWithRecords(memory.Span);
        long size = (long)mebibytes << 20;
        Dictionary<DiskFormat, List<double>> writes = s_formats.ToDictionary(f => f, _ => new List<double>());
        Dictionary<DiskFormat, List<double>> reads = s_formats.ToDictionary(f => f, _ => new List<double>());
        for (int round = 0; round <= rounds; round++)
        {
            foreach (DiskFormat format in s_formats)
            {
                string path = Path.Combine(place, "disk" + DiskImages.ExtensionOf(format));
                double write = await TimeAsync(() => WriteAsync(format, path, size, memory));
                // Long writes go past the page cache, so the file is brought there first.
                await ReadAsync(format, path, memory);
                double read = await TimeAsync(() => ReadAsync(format, path, memory));
                foreach (string file in Directory.GetFiles(place, "disk*")) File.Delete(file);
                // The first round is for the compiler and the disk.
                if (round == 0) continue;
                writes[format].Add(write);
                reads[format].Add(read);
            }
        }
        Console.WriteLine($"{mebibytes} MiB, medians of {rounds} alternating rounds; 1.00 is the raw image's speed");
        Console.WriteLine($"{"format",-20} {"write MiB/s",12} {"x raw",6} {"read MiB/s",12} {"x raw",6}");
        foreach (DiskFormat format in s_formats)
        {
            double write = Median.Of(writes[format]), read = Median.Of(reads[format]);
            Console.WriteLine(string.Format(CultureInfo.InvariantCulture,
                "{0,-20} {1,12:0} {2,6:0.00} {3,12:0} {4,6:0.00}", format, mebibytes / write,
                Median.Of(writes[DiskFormat.Raw]) / write, mebibytes / read, Median.Of(reads[DiskFormat.Raw]) / read));
        }
        if (json is null) return;
        var speeds = new Dictionary<string, Dictionary<string, double>>();
        foreach (DiskFormat f in s_formats)
            speeds[f.ToString()] = new()
            {
                ["write"] = Median.Of(writes[DiskFormat.Raw]) / Median.Of(writes[f]),
                ["read"] = Median.Of(reads[DiskFormat.Raw]) / Median.Of(reads[f]),
            };
        await File.WriteAllTextAsync(json, JsonSerializer.Serialize(speeds));
    }

    private static async Task WriteAsync(DiskFormat format, string path, long size, Memory<byte> bytes)
    {
        using IDiskTarget target = DiskImages.Create(format, path, overwrite: true);
        await target.BeginAsync(size, default);
        for (long at = 0; at < size; at += bytes.Length)
            await target.WriteAsync(at, bytes[..(int)Math.Min(bytes.Length, size - at)], default);
        await target.CompleteAsync(default);
    }

    private static async Task ReadAsync(DiskFormat format, string path, Memory<byte> buffer)
    {
        var parts = new ParentImagesInFolder(Path.GetDirectoryName(path)!);
        RawDiskSource file = RawDiskSource.Open(path);
        ImageFormat layout = format switch
        {
            DiskFormat.Raw => ImageFormat.Raw,
            DiskFormat.Vhdx => ImageFormat.Vhdx,
            _ => ImageFormat.Vmdk,
        };
        using IDiskSource disk = await DiskImages.OpenAsync(file, layout, parts, parts, default);
        for (long at = 0; at < disk.SizeBytes; at += buffer.Length)
            await disk.ReadAsync(at, buffer[..(int)Math.Min(buffer.Length, disk.SizeBytes - at)], default);
    }

    private static async Task<double> TimeAsync(Func<Task> what)
    {
        long start = Stopwatch.GetTimestamp();
        await what();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Call records, which compress as such things do: about to a third.</summary>
    private static void FillWithRecords(Span<byte> bytes)
    {
        var random = new Random(1);
        int at = 0;
        while (at < bytes.Length)
        {
            string line = string.Format(CultureInfo.InvariantCulture, "{0:x10};+331{1:00000000};ANSWERED;{2}\n",
                random.NextInt64(1L << 40), random.Next(10_000_000), random.Next(3600));
            foreach (char c in line)
            {
                if (at < bytes.Length) bytes[at++] = (byte)c;
            }
        }
    }

    private static unsafe Memory<byte> Aligned(byte[] pinned)
    {
        fixed (byte* p = pinned)
            return pinned.AsMemory((int)((4096 - (nuint)p % 4096) % 4096), Step);
    }
}
