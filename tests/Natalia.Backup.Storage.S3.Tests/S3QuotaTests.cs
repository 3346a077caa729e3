using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>A bucket whose quota is used up, on the real server and through the cmdlets.</summary>
public sealed class S3QuotaTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public static string? Obstacle => CephServer.Obstacle;

    public void Dispose() => _fixture.Dispose();

    private const string Make = """
        param($Bucket, $Endpoint, $Vms)
        $null = Connect-NataliaHypervisor -Folder $Vms
        $null = New-NataliaRepository -Bucket $Bucket -Endpoint $Endpoint -Credential $key -Unencrypted
        foreach ($time in 1..3) {
            $null = Get-NataliaAppliance -Name * | Invoke-NataliaBackup
            $disk = [IO.File]::OpenWrite([IO.Path]::Combine($Vms, 'natalia-lyon', 'data.raw'))
            $bytes = [byte[]]::new(1MB); [Random]::new(70 + $time).NextBytes($bytes); $disk.Write($bytes, 0, $bytes.Length); $disk.Dispose()
        }
        """;

    private const string Use = """
        param($Bucket, $Endpoint, $Vms, $Out)
        function tell($name, $what) { try { $null = & $what; "$name works" } catch { "$name $($_.FullyQualifiedErrorId.Split(',')[0]) $($_.ErrorDetails.RecommendedAction)" } }
        $null = Connect-NataliaHypervisor -Folder $Vms
        tell connect { Connect-NataliaRepository -Bucket $Bucket -Endpoint $Endpoint -Credential $key -Unencrypted }
        tell backup { Get-NataliaAppliance -Name * | Invoke-NataliaBackup }
        $points = @(Get-NataliaRestorePoint)
        "points $($points.Count)"
        tell export { $points[0] | Export-NataliaDisk -Destination $Out }
        tell test { if (-not (Test-NataliaRepository -Full -Quiet)) { throw 'damaged' } }
        tell probe { if (-not (Test-NataliaRepository -Quiet)) { throw 'damaged' } }
        tell remove { $points[1] | Remove-NataliaRestorePoint -Reason full -Confirm:$false }
        tell optimize { $script:given = Optimize-NataliaRepository -GraceHours 0 -Force -Confirm:$false -WarningAction SilentlyContinue }
        [Console]::Error.WriteLine("$($given | Out-String)")
        "points $(@(Get-NataliaRestorePoint).Count)"
        tell test { if (-not (Test-NataliaRepository -Full -Quiet)) { throw 'damaged' } }
        """;

    [StoreTheory]
    // What is free: objects, or bytes. A pack of 1 MiB does not fit.
    [InlineData(0, null)]
    [InlineData(null, 512 << 10)]
    public async Task A_full_bucket_still_reads_removes_and_gives_back(int? objects, int? bytes)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(), endpoint = CephServer.Running.Endpoint.AbsoluteUri,
            folder = _fixture.AddAppliance("natalia-lyon", 2 << 20, 1);
        RunnerProcess.Result made = await _fixture.RunAsync(Make, bucket, endpoint, folder);
        Assert.True(made.ExitCode == 0, made.Error);
        using JsonDocument stats = JsonDocument.Parse(await CephServer.Running.AdministerAsync("bucket", "stats",
            $"--bucket={bucket}"));
        JsonElement used = stats.RootElement.GetProperty("usage").GetProperty("rgw.main");
        long count = used.GetProperty("num_objects").GetInt64(), size = used.GetProperty("size_actual").GetInt64();
        await CephServer.Running.AdministerAsync("quota", "set", "--quota-scope=bucket", $"--bucket={bucket}",
            $"--max-objects={(objects is int free ? count + free : -1)}",
            $"--max-size={(bytes is int room ? size + room : -1)}");
        await CephServer.Running.AdministerAsync("quota", "enable", "--quota-scope=bucket", $"--bucket={bucket}");

        RunnerProcess.Result run = await _fixture.RunAsync(Use, bucket, endpoint, folder,
            Directory.CreateDirectory(_fixture.Path("out")).FullName);

        Assert.True(run.ExitCode == 0, run.Error);
        Assert.StartsWith($"backup {ErrorIds.StoreFull} ", run.Lines[1], StringComparison.Ordinal);
        Assert.Equal(["connect works", "points 3", "export works", "test works", "probe works", "remove works",
            "optimize works", "points 2", "test works"],
            Told(run));
        // Room has come back.
        long left =
            (await CephServer.Running.Admin.ListObjectsV2Async(new() { BucketName = bucket })).S3Objects.Sum(
                o => o.Size ?? 0);
        Assert.True(left < size - (256 << 10), $"{left} of {size}: {run.Error}");
    }

    /// <summary>What was told, without the refusals, which are looked at one by one, and warnings.</summary>
    private static IEnumerable<string> Told(RunnerProcess.Result run) =>
        run.Lines
            .Where(l => !l.Contains(ErrorIds.StoreFull, StringComparison.Ordinal)
                && !l.StartsWith("WARNING", StringComparison.Ordinal));

    [StoreFact]
    public async Task A_quota_below_what_is_stored_leaves_all_that_reads()
    {
        string bucket = await CephServer.Running.MakeBucketAsync(), endpoint = CephServer.Running.Endpoint.AbsoluteUri,
            folder = _fixture.AddAppliance("natalia-lyon", 2 << 20, 1);
        Assert.Equal(0, (await _fixture.RunAsync(Make, bucket, endpoint, folder)).ExitCode);
        await CephServer.Running.AdministerAsync("quota", "set", "--quota-scope=bucket", $"--bucket={bucket}",
            "--max-size=4096");
        await CephServer.Running.AdministerAsync("quota", "enable", "--quota-scope=bucket", $"--bucket={bucket}");
        RunnerProcess.Result run = await _fixture.RunAsync(Use, bucket, endpoint, folder,
            Directory.CreateDirectory(_fixture.Path("out")).FullName);
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal(["connect works", "points 3", "export works", "test works", "probe works", "optimize works",
            "points 3", "test works"],
            Told(run));
        Assert.StartsWith($"backup {ErrorIds.StoreFull} ", run.Lines[1], StringComparison.Ordinal);
        Assert.StartsWith($"remove {ErrorIds.StoreFull} ", run.Lines[6], StringComparison.Ordinal);
        Assert.Contains("raise the quota", run.Lines[6], StringComparison.Ordinal);
    }
}
