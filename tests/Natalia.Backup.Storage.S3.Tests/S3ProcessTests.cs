using System.Text.RegularExpressions;
using Natalia.Backup.Testing;
using Xunit.Abstractions;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>Several real processes at one real bucket. Nothing coordinates them but the bucket.</summary>
public sealed class S3ProcessTests(ITestOutputHelper output) : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public static string? Obstacle => CephServer.Obstacle;

    public void Dispose() => _fixture.Dispose();

    private const string Make = "param($Bucket, $Endpoint)\n$null = New-NataliaRepository -Bucket $Bucket -Endpoint "
        + "$Endpoint -Credential $key -Unencrypted";

    /// <summary>
    /// Backs one appliance up some times, its disk changing in between if wanted. Tells each point or error id on a
    /// line.
    /// </summary>
    private const string BackUp = """
        param($Bucket, $Endpoint, $Vms, $Times, [switch] $Change)
        $null = Connect-NataliaHypervisor -Folder $Vms
        $null = Connect-NataliaRepository -Bucket $Bucket -Endpoint $Endpoint -Credential $key -Unencrypted
        $appliance = Get-NataliaAppliance -Name *
        foreach ($time in 1..$Times) {
            try { "point $(($appliance | Invoke-NataliaBackup).RestorePointId)" }
            catch { [Console]::Error.WriteLine("$_ $($_.Exception.InnerException)"); "error $($_.FullyQualifiedErrorId.Split(',')[0]) $($_.CategoryInfo.Category)" }
            if (-not $Change) { continue }
            $disk = [IO.File]::OpenWrite([IO.Path]::Combine($Vms, $appliance.Name, 'data.raw'))
            $disk.Position = 100000 * $time; $disk.Write([guid]::NewGuid().ToByteArray(), 0, 16); $disk.Dispose()
        }
        """;

    /// <summary>Reads everything back: checks, points, and each newest disk.</summary>
    private const string ReadBack = """
        param($Bucket, $Endpoint, $Out)
        $repository = Connect-NataliaRepository -Bucket $Bucket -Endpoint $Endpoint -Credential $key -Unencrypted
        Test-NataliaRepository -Full | Where-Object Result -eq Failed | ForEach-Object { "failed $($_.Name) $($_.Detail)" }
        foreach ($point in Get-NataliaRestorePoint) {
            "listed $($point.RestorePointId) $($point.ApplianceName) $(($point | Test-NataliaRestorePoint).Result)"
        }
        foreach ($point in Get-NataliaRestorePoint -Latest) { "disk $($point.ApplianceName) $(($point | Export-NataliaDisk -Destination $Out).Path)" }
        """;

    private static string Endpoint => CephServer.Running.Endpoint.AbsoluteUri;

    private async Task<string[]> ReadBackAsync(string bucket)
    {
        string folder = _fixture.Path(Guid.NewGuid().ToString("n"));
        Directory.CreateDirectory(folder);
        RunnerProcess.Result read = await _fixture.RunAsync(ReadBack, bucket, Endpoint, folder);
        Assert.True(read.ExitCode == 0, read.Error);
        Assert.DoesNotContain(read.Lines,
            l => l.StartsWith("failed", StringComparison.Ordinal)
                || l.StartsWith("listed", StringComparison.Ordinal) && !l.EndsWith("Passed", StringComparison.Ordinal));
        return read.Lines;
    }

    private static List<string> Points(IEnumerable<string> lines) =>
        [.. lines.Select(l => Regex.Match(l, "^(?:point|listed) ([0-9a-f]{32})")).Where(m => m.Success)
            .Select(m => m.Groups[1].Value)];

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Several_machines_write_to_one_bucket_at_once_and_nothing_is_lost(bool objectLock)
    {
        const int machines = 3, times = 3;
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock);
        Assert.Equal(0, (await _fixture.RunAsync(Make, bucket, Endpoint)).ExitCode);
        string[] folders = [.. Enumerable.Range(0, machines)
            .Select(i => _fixture.AddAppliance($"natalia-{i}", 3 << 20, i))];
        List<RunnerProcess> processes = [.. folders
            .Select(f => _fixture.Start(BackUp, bucket, Endpoint, f, $"{times}", "-Change"))];
        RunnerProcess.Result[] results = await Task.WhenAll(processes.Select(p => p.FinishAsync()));
        processes.ForEach(p => p.Dispose());
        Assert.All(results, r => Assert.Equal(times, Points(r.Lines).Count));
        string[] lines = await ReadBackAsync(bucket);
        Assert.Equal(results.SelectMany(r => Points(r.Lines)).Order(), Points(lines).Order());
        Assert.Equal(machines, lines.Count(l => l.StartsWith("disk", StringComparison.Ordinal)));
    }

    [StoreFact]
    public async Task Of_several_machines_that_want_one_appliance_one_writes_and_the_others_are_told()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        Assert.Equal(0, (await _fixture.RunAsync(Make, bucket, Endpoint)).ExitCode);
        string folder = _fixture.AddAppliance("natalia-lyon", 6 << 20, 1);
        List<RunnerProcess> processes = [.. Enumerable.Range(0, 3)
            .Select(_ => _fixture.Start(BackUp, bucket, Endpoint, folder, "3"))];
        RunnerProcess.Result[] results = await Task.WhenAll(processes.Select(p => p.FinishAsync()));
        processes.ForEach(p => p.Dispose());
        string[] lines = [.. results.SelectMany(r => r.Lines)];
        output.WriteLine(string.Join('\n', lines.Concat(results.Select(r => r.Error))));
        Assert.All(lines, l => Assert.Matches("^(point [0-9a-f]{32}|error LeaseHeld ResourceBusy)$", l));
        Assert.Equal(9, lines.Length);
        Assert.Equal(Points(lines).Order(), Points(await ReadBackAsync(bucket)).Order());
        Assert.NotEmpty(Points(lines));
    }

    [StoreFact]
    public async Task The_second_gets_the_lease_error_and_takes_over_when_the_first_was_killed()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using var line = new BadLine(CephServer.Running.Endpoint) { HoldsUp = true };
        Assert.Equal(0, (await _fixture.RunAsync(Make, bucket, Endpoint)).ExitCode);
        string folder = _fixture.AddAppliance("natalia-lyon", 8 << 20, 1);
        byte[] disk = File.ReadAllBytes(System.IO.Path.Combine(folder, "natalia-lyon", "data.raw"));
        line.BreakUpAfter(3_000_000);
        using RunnerProcess first = _fixture.Start(BackUp, bucket, line.Endpoint.AbsoluteUri, folder, "1");
        // It holds the lease, and is in the middle of an upload that does not move.
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (Volatile.Read(ref line.Broken) == 0) await Task.Delay(20, limit.Token);
        // However long the second one takes: the first must not find that the line is well again.
        first.Pause();
        RunnerProcess.Result second = await _fixture.RunAsync(BackUp, bucket, Endpoint, folder, "1");
        Assert.Equal("error LeaseHeld ResourceBusy", Assert.Single(second.Lines));
        await first.KillAsync();
        File.WriteAllBytes(System.IO.Path.Combine(folder, "natalia-lyon", "data.raw"), disk);
        RunnerProcess.Result third = await _fixture.RunAsync(BackUp, bucket, Endpoint, folder, "1");
        Assert.Single(Points(third.Lines));
        string[] lines = await ReadBackAsync(bucket);
        Assert.Equal(Points(third.Lines), Points(lines));
        Assert.Equal(disk,
            File.ReadAllBytes(lines.Single(l => l.StartsWith("disk", StringComparison.Ordinal)).Split(' ', 3)[2]));
    }
}
