using Amazon.S3;
using Amazon.S3.Model;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// A bucket that locks everything by itself, on the real server and through the cmdlets: leases, records and probes
/// cannot be deleted either.
/// </summary>
public sealed class S3DefaultRetentionTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public static string? Obstacle => CephServer.Obstacle;

    public void Dispose() => _fixture.Dispose();

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Everything_works_and_what_it_costs_is_told(bool immutable)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);
        await CephServer.Running.Admin.PutObjectLockConfigurationAsync(new PutObjectLockConfigurationRequest
        {
            BucketName = bucket,
            ObjectLockConfiguration = new ObjectLockConfiguration
            {
                ObjectLockEnabled = ObjectLockEnabled.Enabled,
                Rule = new ObjectLockRule
                {
                    DefaultRetention = new DefaultRetention { Days = 2, Mode = ObjectLockRetentionMode.Governance },
                },
            },
        });
        string folder = _fixture.AddAppliance("natalia-lyon", 1 << 20, 1);
        RunnerProcess.Result run = await _fixture.RunAsync("""
            param($Bucket, $Endpoint, $Vms, $Out, $Immutable)
            $where = @{ Bucket = $Bucket; Endpoint = $Endpoint; Credential = $key; Unencrypted = $true }
            $locks = if ($Immutable -eq 'True') { @{ ImmutableDays = 1 } } else { @{} }
            $null = Connect-NataliaHypervisor -Folder $Vms
            $made = New-NataliaRepository -Name one @where @locks -WarningVariable told -WarningAction SilentlyContinue
            "days $($made.BucketRetentionDays) told $(@($told -like '*locks everything*for 2 days*').Count)"
            $points = foreach ($time in 1..3) { Get-NataliaAppliance -Name * | Invoke-NataliaBackup -WarningVariable more -WarningAction SilentlyContinue; $more | ForEach-Object { "warning $_" } }
            Disconnect-NataliaRepository one
            $again = Connect-NataliaRepository -Name one @where -WarningVariable told -WarningAction SilentlyContinue
            "days $($again.BucketRetentionDays) told $(@($told).Count)"
            Test-NataliaRepository -Full | Where-Object Result -eq Failed | ForEach-Object { "failed $($_.Name) $($_.Detail)" }
            Test-NataliaRepository | Where-Object Result -eq Failed | ForEach-Object { "failed $($_.Name) $($_.Detail)" }
            "points $(@(Get-NataliaRestorePoint).Count)"
            if ($Immutable -ne 'True') { @(Get-NataliaRestorePoint)[1] | Remove-NataliaRestorePoint -Reason test -Confirm:$false | Out-Null }
            $null = Optimize-NataliaRepository -GraceHours 0 -Force -Confirm:$false -WarningAction SilentlyContinue
            "points $(@(Get-NataliaRestorePoint).Count)"
            Test-NataliaRepository -Full | Where-Object Result -eq Failed | ForEach-Object { "failed $($_.Name) $($_.Detail)" }
            "disk $((Get-NataliaRestorePoint -Latest | Export-NataliaDisk -Destination $Out).Path.Length -gt 0)"
            """, bucket, CephServer.Running.Endpoint.AbsoluteUri, folder,
            Directory.CreateDirectory(_fixture.Path("out")).FullName, $"{immutable}");
        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        Assert.Equal(["days 2 told 1", "days 2 told 1", "points 3", immutable ? "points 3" : "points 2", "disk True"],
            run.Lines);
    }
}
