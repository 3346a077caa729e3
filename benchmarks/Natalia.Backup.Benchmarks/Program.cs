using Natalia.Backup.Benchmarks;

// What the engine costs where only its own clock and counters can tell. The comparison with other programs is
// compare.sh.
string[] rest = args.Skip(1).ToArray();
switch (args.FirstOrDefault())
{
    case "points":
        await ManyPoints.RunAsync(rest.Length > 0 ? int.Parse(rest[0]) : 10_000, rest.Length > 1 ? rest[1] : null);
        return 0;
    case "change":
        await ChangeLine.RunAsync(rest.Length > 0 ? rest[0] : null);
        return 0;
    case "images":
        await ImageSpeed.RunAsync(rest.Length > 0 ? int.Parse(rest[0]) : 1024, rest.Length > 1 ? int.Parse(rest[1]) : 7,
            rest.Length > 2 ? rest[2] : null, rest.Length > 3 ? rest[3] : null);
        return 0;
    case "primitives" when rest.Length > 0:
        return await Primitives.RunAsync(rest);
    case "s3" when rest.Length > 3:
        return await BucketSpeed.RunAsync(rest);
    case "fleet" when rest.Length > 0:
        int[] sizes = [.. rest.Skip(1).TakeWhile(r => r != "--no-removals").Select(int.Parse)];
        await FleetMaker.RunAsync(rest[0], sizes.Length > 0 ? sizes[0] : 50, sizes.Length > 1 ? sizes[1] : 4380,
            sizes.Length > 2 ? sizes[2] : 18, !rest.Contains("--no-removals"));
        return 0;
    case "compression":
        Compression.Run(rest);
        return 0;
    default:
        Console.Error.WriteLine("""
            usage: dotnet run -c Release --project benchmarks/Natalia.Backup.Benchmarks -- WHAT
              points [COUNT] [FOLDER]   makes COUNT points (10,000) of one appliance, lists them, removes the older half, reclaims its space
              change [FOLDER]           points of a sparse disk of 16 TiB with 0, 1, 10, 100 and 1,000 MiB of known changes
              images [MIB] [ROUNDS] [FOLDER] [JSON]  writes and reads disk images of every format by turns with raw ones
              primitives DISK [--rounds N] [--size MIB] [--folder FOLDER] [--json FILE]  what the disk's bytes take in the primitives alone
              fleet FOLDER [APPLIANCES] [RECORDED] [KEPT] [--no-removals]  makes the repository that measure.ps1 measures
              s3 DISK ENDPOINT ACCESS SECRET [--rounds N] [--size MIB] [--delay MS] [--json FILE]  what s3.sh runs
              compression DISK          zstd's settings on the blocks of a disk image, with BenchmarkDotNet
            FOLDER is where to work: a temporary one is made and removed.
            """);
        return 2;
}
