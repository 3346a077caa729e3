using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Benchmarks;

/// <summary>benchmarks/compare.sh at a tiny size: that it ends, what it computes, and that it leaves nothing.</summary>
public sealed class CompareTests : IDisposable
{
    private static readonly string s_scripts = Path.Combine(BuildLayout.RepositoryRoot, "benchmarks");
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [BenchmarkFact]
    public async Task The_limit_of_a_step_is_what_its_primitives_take_and_the_start_and_the_password()
    {
        Counterpart.Benchmarks.MustBeThere();
        string json = _folder["table.json"];
        await RunAsync("make-disk.sh", "--size", "256", _folder["disks"]);
        string said = await RunAsync("compare.sh", "--tools", "natalia", "--natalia", BuildLayout.Runner, "--brief",
            "--rounds", "1", "--images", "0", "--json", json, _folder["disks"]);
        Assert.Contains("Against the limit of the primitives", said);

        using JsonDocument table = JsonDocument.Parse(await File.ReadAllTextAsync(json));
        // Right before our steps, and right behind them.
        JsonElement[] measures = [.. table.RootElement.GetProperty("primitives").EnumerateArray()];
        Assert.Equal(2, measures.Length);
        JsonElement round = measures[0].GetProperty("rounds")[0];
        // 10 to 18 microseconds on the virtual machines where it was measured, less where page tables are its own.
        Assert.InRange(round.GetProperty("pageSeconds").GetDouble(), 1e-9, 1e-3);
        // Every fourth mebibyte is a hole; text of call records compresses.
        Assert.Equal(192L << 20, round.GetProperty("plainBytes").GetInt64());
        Assert.InRange(round.GetProperty("storedBytes").GetInt64(), 16L << 20, 128L << 20);
        // On two processors; each one more, up to the fifteenth, takes a leaf, half a pack, and what opens and seals.
        double most = (400 + 36 * (Math.Clamp(Environment.ProcessorCount, 2, 15) - 2)) * 1048576.0;
        Assert.All(table.RootElement.GetProperty("steps").EnumerateArray(),
            step =>
            {
                Assert.InRange(step.GetProperty("memoryBytes").GetDouble(), 1, most);
                Assert.InRange(step.GetProperty("pageFaults").GetDouble(), 1_000, 1_000_000);
            });
        double start = Step("start of the shell");
        foreach ((string step, string pass, string[] stages) in new (string, string, string[])[]
        {
            ("full", "full", ["compress", "packSha256", "read", "seal", "sha256", "zeroTest"]),
            ("restore the second point", "restore", ["decompress", "open", "read", "sha256"]),
            ("verify", "verify", ["decompress", "open", "read", "sha256"]),
        })
        {
            JsonElement measured = round.GetProperty(pass), write = measured.GetProperty("write");
            Assert.Equal(stages, measured.GetProperty("stages").EnumerateObject().Select(s => s.Name).Order());
            Assert.Equal(pass != "verify", write.ValueKind == JsonValueKind.Object);
            double[] limits = [.. measures.Select(m => start + Limit(m, pass))];
            double expected = limits.Average();
            JsonElement limit = table.RootElement.GetProperty("limits").GetProperty(step);
            Assert.Equal(expected, limit.GetProperty("limitSeconds").GetDouble(), 6);
            Assert.Equal(Step(step) / expected, limit.GetProperty("timesLimit").GetDouble(), 6);
            Assert.Equal(expected / Step(step), limit.GetProperty("share").GetDouble(), 6);
            Assert.Equal(Step(step) / limits.Min(), limit.GetProperty("fastestTimesLimit").GetDouble(), 6);
        }
        Assert.Equal(["changed.txt", "disk.raw", "disk2.raw"],
            Directory.EnumerateFileSystemEntries(_folder["disks"]).Select(Path.GetFileName).Order());

        double Step(string name) => table.RootElement.GetProperty("steps").EnumerateArray()
            .Single(s => s.GetProperty("step").GetString() == name).GetProperty("seconds").GetDouble();
    }

    /// <summary>
    /// Medians tell what the machine did, the fastest what it can do: slow minutes are in the first only.
    /// </summary>
    [BenchmarkFact]
    public async Task The_table_shows_medians_and_the_fastest_of_ours_over_the_least_limit()
    {
        // Tool, step, round, seconds, seconds of processor time, memory, stored, page faults.
        File.WriteAllLines(_folder["results.tsv"], [
            .. new[] { 0.4, 0.6, 0.5 }.Select((s, i) => Row("start of the shell", i, s)),
            .. new[] { 4.0, 2.5, 3.0 }.Select((s, i) => Row("verify", i, s)),
        ]);
        foreach ((string name, double cpu) in new[] { ("one", 3.0), ("two", 3.4), ("three", 5.0) })
            File.WriteAllText(_folder[name], $$"""
                { "processors": 2, "rounds": [ { "pageSeconds": 2e-6,
                  "password": { "seconds": 0.2, "cpuSeconds": 0.2 },
                  "verify": { "loop": { "seconds": 9, "cpuSeconds": {{cpu.ToString(CultureInfo.InvariantCulture)}} },
                    "write": null } } ] }
                """);

        RunnerProcess.Result result = await RunnerProcess.RunProgramAsync("python3",
            [Path.Combine(s_scripts, "compare_table.py"), _folder["results.tsv"], "", _folder["table.json"],
            _folder["one"], _folder["two"], _folder["three"]]);

        Assert.True(result.ExitCode == 0, result.Error + result.Output);
        using JsonDocument table = JsonDocument.Parse(await File.ReadAllTextAsync(_folder["table.json"]));
        JsonElement verify = table.RootElement.GetProperty("limits").GetProperty("verify");
        Assert.Equal(0.5 + 0.2 + 1.7, verify.GetProperty("limitSeconds").GetDouble(), 6);
        Assert.Equal(3.0 / 2.4, verify.GetProperty("timesLimit").GetDouble(), 6);
        Assert.Equal(2.5 / (0.4 + 0.2 + 1.5), verify.GetProperty("fastestTimesLimit").GetDouble(), 6);
        Assert.Equal((30_001, 2e-6),
            (verify.GetProperty("pageFaults").GetDouble(), verify.GetProperty("pageSeconds").GetDouble()));
        Assert.Contains("A page fault takes 2.0 us here: 10,000 of them 0.02 s", result.Output);

        static string Row(string step, int round, double seconds) =>
            string.Create(CultureInfo.InvariantCulture, $"natalia\t{step}\t{round}\t{seconds}\t1\t1\t0\t{30_000 + round}");
    }

    /// <summary>The password, and the slower of processors and disk.</summary>
    private static double Limit(JsonElement primitives, string pass)
    {
        JsonElement round = primitives.GetProperty("rounds")[0], step = round.GetProperty(pass);
        JsonElement write = step.GetProperty("write");
        double computing = step.GetProperty("loop").GetProperty("cpuSeconds").GetDouble();
        return Seconds(round.GetProperty("password"))
            + Math.Max(computing / primitives.GetProperty("processors").GetInt32(),
                write.ValueKind == JsonValueKind.Object ? Seconds(write) : 0);
    }

    private static double Seconds(JsonElement time) => time.GetProperty("seconds").GetDouble();

    private static async Task<string> RunAsync(string script, params string[] arguments)
    {
        RunnerProcess.Result result = await RunnerProcess.RunProgramAsync("bash",
            [Path.Combine(s_scripts, script), .. arguments]);
        Assert.True(result.ExitCode == 0, result.Error + result.Output);
        return result.Output;
    }
}
