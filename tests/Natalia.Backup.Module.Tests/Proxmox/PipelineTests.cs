namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>Sessions that are piped in bind, live and from a job. The cluster is our simulator.</summary>
public sealed class PipelineTests : IAsyncLifetime
{
    private ProxmoxFixture _fixture = null!;

    public async Task InitializeAsync()
    {
        _fixture = await ProxmoxFixture.StartAsync();
        _fixture.ConnectWithEvidence();
        string export = _fixture.Module.NewFolder();
        File.WriteAllBytes(Path.Combine(Directory.CreateDirectory(Path.Combine(export, "exported")).FullName,
            "data.raw"),
            new byte[1 << 20]);
        _fixture.Do("$null = Connect-NataliaHypervisor -Folder $args[0] -Name exports", export);
        for (int i = 0; i < 4; i++) _fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-i));
    }

    public async Task DisposeAsync() => await _fixture.DisposeAsync();

    [Theory]
    [InlineData("Get-NataliaHypervisor pve | Get-NataliaAppliance -Name * | ForEach-Object Name", "natalia-01")]
    [InlineData("Get-NataliaHypervisor exports | Get-NataliaAppliance -Name * | ForEach-Object Name", "exported")]
    [InlineData("(Get-NataliaHypervisor | Get-NataliaAppliance -Name * | ForEach-Object Name) -join ' '",
        "natalia-01 exported")]
    [InlineData(
        "[System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize((Get-NataliaHypervisor exports))) | Get-NataliaAppliance -Name * | ForEach-Object Name",
        "exported")]
    [InlineData("(Get-NataliaHypervisor pve | Test-NataliaPrerequisite -Detailed | Where-Object Name -eq "
        + "ServerVersion).Result",
        "Passed")]
    [InlineData("$null = Get-NataliaHypervisor pve | Invoke-NataliaSnapshot natalia-01; @(Get-NataliaHypervisor pve | "
        + "Get-NataliaSnapshot natalia-01).Count",
        "1")]
    [InlineData("Get-NataliaRepository pbs | Set-NataliaRetention natalia-01 -Daily 2 -Force; (Get-NataliaRepository "
        + "pbs | Get-NataliaRetention natalia-01).Daily",
        "2")]
    [InlineData("Get-NataliaRepository evidence | Set-NataliaRetention -Daily 5 -Force; @(Get-NataliaRepository "
        + "evidence | Get-NataliaRetention)[0].Daily",
        "5")]
    [InlineData("Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -Force; @(Get-NataliaRepository pbs | "
        + "Invoke-NataliaRetention).Count",
        "2")]
    [InlineData("Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -Force; @(Get-NataliaRepository pbs | "
        + "Get-NataliaRetentionPlan | Where-Object Action -eq Remove).Count",
        "2")]
    [InlineData("(Get-NataliaRepository pbs | Register-NataliaSchedule natalia-01).Storage", "pbs")]
    [InlineData("(Get-NataliaRepository pbs | Invoke-NataliaBackup -Appliance natalia-01).Repository", "pbs")]
    [InlineData("@(Get-NataliaRepository pbs | Get-NataliaRestorePoint).Count", "4")]
    public void A_session_binds(string script, string expected) =>
        Assert.Equal(expected, _fixture.Do(script).Text.Last());

    /// <summary>Of one VM one snapshot, and each snapshot in a list once; of two storages two schedules.</summary>
    [Theory]
    [InlineData("@('natalia-01', 'natalia-*' | Invoke-NataliaSnapshot).Count", "1")]
    [InlineData("@(Invoke-NataliaSnapshot natalia-01, natalia-*).Count", "1")]
    [InlineData("$vm = Get-NataliaAppliance -Name natalia-01; @($vm, $vm | Invoke-NataliaSnapshot).Count", "1")]
    [InlineData("$null = Invoke-NataliaSnapshot natalia-01; @('natalia-01', '*-01' | Get-NataliaSnapshot).Count", "1")]
    [InlineData("$null = Invoke-NataliaSnapshot natalia-01; @(Invoke-NataliaSnapshot natalia-01).Count", "1")]
    [InlineData("$pbs = Get-NataliaRepository pbs; @($pbs, $pbs | Register-NataliaSchedule natalia-01).Count", "2")]
    public void A_VM_that_is_named_twice_is_taken_once(string script, string expected) =>
        Assert.Equal(expected, _fixture.Do(script).Text.Last());

    [Theory]
    [InlineData("Get-NataliaHypervisor pve | Get-NataliaSnapshot", "ApplianceNotFound")]
    [InlineData("Get-NataliaRepository pbs | Get-NataliaSnapshot", "InputObjectNotBound")]
    [InlineData("Get-NataliaHypervisor pve | Invoke-NataliaBackup", "InputObjectMissingMandatory")]
    [InlineData("[datetime]::Now | Get-NataliaSnapshot", "ParameterArgumentTransformationError")]
    public void What_is_no_appliance_is_not_taken_for_one(string script, string error) =>
        Assert.StartsWith(error + ",", _fixture.Try(script).ErrorIds[0]);
}
