using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>Backups in processes of their own: killed in the middle, and watched for what they take.</summary>
public sealed class LifeAndDeathTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("natalia-life-").FullName;

    private const string Backup = """
        param([string] $Work, [string] $Name = '*')
        $ErrorActionPreference = 'Stop'
        $password = [Net.NetworkCredential]::new('', 'correct horse battery staple').SecurePassword
        $null = Connect-NataliaHypervisor -Folder ([IO.Path]::Combine($Work, 'vms'))
        $repository = [IO.Path]::Combine($Work, 'repository')
        if ([IO.File]::Exists([IO.Path]::Combine($repository, 'natalia.json'))) { $null = Connect-NataliaRepository -Path $repository -Password $password }
        else { $null = New-NataliaRepository -Path $repository -Password $password }
        $point = Get-NataliaAppliance -Name $Name | Invoke-NataliaBackup
        "stored $($point.StoredBytes)"
        "verified $(($point | Test-NataliaRestorePoint).Result)"
        "unsound $(@(Test-NataliaRepository -Full | Where-Object { $_.Result -eq 'Failed' }).Count)"
        "points $(@(Get-NataliaRestorePoint).Count)"
        "processors $([Environment]::ProcessorCount)"
        if ([IO.File]::Exists('/proc/self/status')) { foreach ($line in [IO.File]::ReadAllLines('/proc/self/status')) { if ($line.StartsWith('VmHWM')) { "peak $($line.Split(':')[1].Trim().Split(' ')[0])" } } }
        """;

    [Fact]
    public async Task A_backup_that_is_killed_is_continued_at_once_and_needs_no_repair()
    {
        string script = Script();
        Fill("vm", 300);
        // The first checkpoint comes after 128 MiB.
        Directory.CreateDirectory(Path.Combine(_folder, "repository"));
        using (RunnerProcess running = RunnerProcess.Start(script, _folder))
        {
            await PauseAtFirstCheckpointAsync(running);
            await running.KillAsync();
        }

        RunnerProcess.Result next = await RunnerProcess.RunAsync(script, _folder);

        Assert.True(next.ExitCode == 0, next.Error);
        Assert.InRange(Number(next, "stored"), 0, 200L << 20);
        Assert.Contains("verified Passed", next.Lines);
        Assert.Contains("unsound 0", next.Lines);
        Assert.Contains("points 1", next.Lines);
    }

    [Fact]
    public async Task Of_two_backups_of_one_appliance_the_second_is_refused_and_other_appliances_do_not_wait()
    {
        string script = Script();
        Fill("vm", 300);
        Fill("other", 1);
        Directory.CreateDirectory(Path.Combine(_folder, "repository"));
        using RunnerProcess first = RunnerProcess.Start(script, _folder, "vm");
        await PauseAtFirstCheckpointAsync(first);

        RunnerProcess.Result second = await RunnerProcess.RunAsync(script, _folder, "vm");
        Assert.NotEqual(0, second.ExitCode);
        Assert.Contains($"(process {first.Id}, backup) since", second.Error.ReplaceLineEndings(" "),
            StringComparison.Ordinal);
        RunnerProcess.Result other = await RunnerProcess.RunAsync(script, _folder, "other");
        Assert.True(other.ExitCode == 0, other.Error);
        Assert.Contains("points 1", other.Lines);

        // The holder is known to be dead at once, and what it had stored is not stored again.
        await first.KillAsync();
        RunnerProcess.Result next = await RunnerProcess.RunAsync(script, _folder, "vm");
        Assert.True(next.ExitCode == 0, next.Error);
        Assert.InRange(Number(next, "stored"), 0, 200L << 20);
        Assert.Contains("verified Passed", next.Lines);
        Assert.Contains("unsound 0", next.Lines);
        Assert.Contains("points 2", next.Lines);
    }

    [Fact]
    public async Task Memory_does_not_grow_with_the_disk()
    {
        if (!OperatingSystem.IsLinux()) return;
        var peaks = new List<long>();
        foreach (long size in new[] { 256L << 20, 2L << 40 })
        {
            string work = Directory.CreateDirectory(Path.Combine(_folder,
                size.ToString(System.Globalization.CultureInfo.InvariantCulture))).FullName;
            string image = Path.Combine(Directory.CreateDirectory(Path.Combine(work, "vms", "vm")).FullName,
                "data.raw");
            using (FileStream file = File.Create(image))
            {
                file.SetLength(size);
                var part = new byte[1 << 20];
                var random = new Random(2);
                for (int i = 0; i < 64; i++)
                {
                    random.NextBytes(part);
                    file.Position = size / 64 * i;
                    file.Write(part);
                }
            }
            RunnerProcess.Result run = await RunnerProcess.RunAsync(Script(), work);
            Assert.True(run.ExitCode == 0, run.Error);
            peaks.Add(Number(run, "peak") * 1024);
        }
        Assert.InRange(peaks[1], 0, 400L << 20);
        Assert.InRange((double)peaks[1] / peaks[0], 0.5, 1.25);
    }

    /// <summary>As on fifteen processors, which have the most workers there are; enough bytes to fill packs.</summary>
    [Fact]
    public async Task Memory_grows_with_the_processors_by_no_more_than_is_stated()
    {
        if (!OperatingSystem.IsLinux()) return;
        const int Processors = 15;
        Fill("vm", 600);
        RunnerProcess.Result run = await RunnerProcess.RunProgramAsync("env", $"DOTNET_PROCESSOR_COUNT={Processors}",
            BuildLayout.Runner, Script(), _folder);
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Contains($"processors {Processors}", run.Lines);
        Assert.InRange(Number(run, "peak") * 1024, 0, (400L + 36 * (Processors - 2)) << 20);
    }

    private static long Number(RunnerProcess.Result result, string what) =>
        long.Parse(result.Lines.Single(l => l.StartsWith(what + " ", StringComparison.Ordinal)).Split(' ')[1],
            System.Globalization.CultureInfo.InvariantCulture);

    private string Script()
    {
        string path = Path.Combine(_folder, "backup.ps1");
        File.WriteAllText(path, Backup);
        return path;
    }

    private void Fill(string name, int mebibytes)
    {
        using FileStream image = File.Create(Image(name, (long)mebibytes << 20));
        var random = new Random(mebibytes);
        var part = new byte[1 << 20];
        for (int i = 0; i < mebibytes; i++)
        {
            random.NextBytes(part);
            image.Write(part);
        }
    }

    private string Image(string name, long size)
    {
        Assert.True(size > 0);
        return Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "vms", name)).FullName, "data.raw");
    }

    /// <summary>
    /// Lets the backup run in short steps until it has published its first object under any points folder, and leaves
    /// it paused there. Looking only while it stands still, the test cannot be late, however busy the machine is.
    /// </summary>
    private async Task PauseAtFirstCheckpointAsync(RunnerProcess running)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        using var step = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (await step.WaitForNextTickAsync(limit.Token))
        {
            running.Pause();
            if (Published()) break;
            Assert.False(running.HasExited, "It ended before it published anything.");
            running.Continue();
        }
        Assert.False(running.HasExited, "It ended before it could be paused.");

        bool Published() =>
            Directory.EnumerateFiles(Path.Combine(_folder, "repository"), "*", SearchOption.AllDirectories)
            .Any(f => f.Contains("/points/", StringComparison.Ordinal) && !Path.GetFileName(f).StartsWith('.'));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
