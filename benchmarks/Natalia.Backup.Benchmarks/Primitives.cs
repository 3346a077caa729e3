using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;
using Org.BouncyCastle.Crypto.Generators;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// The time that a disk's own bytes take in the primitives alone, on all processors, without anything of the product
/// but the calls of its libraries. The processor time of a plain loop over them, spread over all processors, is what no
/// backup program that reads, hashes, compresses, seals and writes the same bytes with them can be faster than on a
/// machine that has nothing else to do. What is read lies in the page cache; what is written goes past it, and is
/// flushed.
/// </summary>
internal static class Primitives
{
    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <param name="args">The disk image, then <c>--folder FOLDER</c>, <c>--rounds N</c>, <c>--size MIB</c>,
    /// <c>--json FILE</c>.</param>
    internal static async Task<int> RunAsync(string[] args)
    {
        string disk = args[0];
        string? folder = null, json = null;
        int rounds = 3;
        long most = long.MaxValue;
        for (int i = 1; i + 1 < args.Length; i += 2)
        {
            switch (args[i])
            {
                case "--folder": folder = args[i + 1]; break;
                case "--json": json = args[i + 1]; break;
                case "--rounds": rounds = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
                case "--size": most = long.Parse(args[i + 1], CultureInfo.InvariantCulture) << 20; break;
                default: throw new ArgumentException($"There is no option '{args[i]}'.");
            }
        }
        string place = Path.Combine(folder ?? Path.GetTempPath(), "natalia-primitives-" + Environment.ProcessId);
        Directory.CreateDirectory(place);
        try
        {
            using RawDiskSource source = RawDiskSource.Open(disk);
            // The compiler's time is not the primitives'.
            Measure(source, await CutAsync(source, 32L << 20), place);
            IReadOnlyList<Extent> runs = await CutAsync(source, most);
            var measured = new List<PrimitiveRound>();
            for (int round = 0; round < rounds; round++) measured.Add(Measure(source, runs, place));
            Print(measured);
            if (json is not null)
            {
                var result = new { Processors = Environment.ProcessorCount, Rounds = measured };
                await File.WriteAllTextAsync(json, JsonSerializer.Serialize(result, s_json));
            }
        }
        finally
        {
            Directory.Delete(place, recursive: true);
        }
        return 0;
    }

    private static PrimitiveRound Measure(RawDiskSource disk, IReadOnlyList<Extent> runs, string place)
    {
        byte[] password = "benchmark"u8.ToArray(), salt = RandomNumberGenerator.GetBytes(16);
        PrimitiveTime stretching = PrimitiveTime.Of(
            () => SCrypt.Generate(password, salt, KeySlot.DefaultCost, 8, 1, 32));
        double page = PageTouch.Measure();
        using var loops = new PrimitiveLoops(disk, runs, place);
        PrimitivePass full = loops.Full();
        PrimitivePass restore = loops.Restore();
        return new PrimitiveRound(stretching, page, loops.PlainBytes, loops.StoredBytes, full, restore,
            loops.Verify());
    }

    /// <summary>The disk's allocated blocks, cut where the engine cuts them into leaves.</summary>
    internal static async Task<IReadOnlyList<Extent>> CutAsync(RawDiskSource disk, long most)
    {
        var runs = new List<Extent>();
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(default))
        {
            long at = extent.Offset / BlockGeometry.BlockBytes * BlockGeometry.BlockBytes;
            if (runs.Count > 0) at = Math.Max(at, runs[^1].End);
            long end = Math.Min((extent.End + BlockGeometry.BlockBytes - 1) / BlockGeometry.BlockBytes
                * BlockGeometry.BlockBytes, disk.SizeBytes);
            while (at < end && most > 0)
            {
                long next = Math.Min(end, (at / BlockGeometry.LeafBytes + 1) * BlockGeometry.LeafBytes);
                long length = Math.Min(next - at, most);
                runs.Add(new Extent(at, length));
                most -= length;
                at += length;
            }
        }
        return runs;
    }

    private static void Print(List<PrimitiveRound> rounds)
    {
        int processors = Environment.ProcessorCount;
        Console.WriteLine(string.Format(CultureInfo.InvariantCulture,
            "{0:0.0} MiB, {1:0.0} MiB stored, {2} processors, medians of {3} rounds", rounds[0].PlainBytes / 1048576.0,
            rounds[0].StoredBytes / 1048576.0, processors, rounds.Count));
        Console.WriteLine(Line("password", rounds.Select(r => r.Password)));
        Console.WriteLine(string.Format(CultureInfo.InvariantCulture, "{0,-26} {1,8:0.00} us of each page of 4 KiB",
            "memory, first touch", Median.Of(rounds.Select(r => r.PageSeconds)) * 1e6));
        foreach ((string step, Func<PrimitiveRound, PrimitivePass> pass) in
            new (string, Func<PrimitiveRound, PrimitivePass>)[]
            { ("full", r => r.Full), ("restore", r => r.Restore), ("verify", r => r.Verify) })
        {
            Console.WriteLine(Line(step + ", plain loop", rounds.Select(r => pass(r).Loop)));
            foreach (Primitive stage in pass(rounds[0]).Stages.Keys)
            {
                double seconds = Median.Of(rounds.Select(r => pass(r).Stages[stage]));
                long bytes = OnStored(step, stage) ? rounds[0].StoredBytes : rounds[0].PlainBytes;
                Console.WriteLine(string.Format(CultureInfo.InvariantCulture,
                    "  {0,-24} {1,8:0.00} s of all workers by the clock  {2,8:0} MB/s", stage, seconds,
                    bytes / seconds / 1e6));
            }
            if (pass(rounds[0]).Write is not null)
                Console.WriteLine(Line("  written alone", rounds.Select(r => pass(r).Write!)));
        }
    }

    private static bool OnStored(string step, Primitive stage) =>
        stage is Primitive.Seal or Primitive.Open or Primitive.PackSha256
        || (stage == Primitive.Read && step != "full");

    private static string Line(string name, IEnumerable<PrimitiveTime> times) => string.Format(
        CultureInfo.InvariantCulture, "{0,-26} {1,8:0.00} s  {2,8:0.00} s CPU", name,
        Median.Of(times.Select(t => t.Seconds)), Median.Of(times.Select(t => t.CpuSeconds)));
}
