namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>Restores over the VM that a point was made of, in a simulated cluster.</summary>
public sealed class RestoreOverTests
{
    [Fact]
    public async Task Of_several_points_for_one_vm_none_is_restored_and_one_is_asked_for()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Do("1..2 | ForEach-Object { $null = Invoke-NataliaBackup natalia-01 -Repository pbs }");
        fixture.Cluster.Guest(100).Running = false;
        fixture.Cluster.Guest(100).Config["cores"] = "16";
        const string over = " | Restore-NataliaAppliance -OverExisting ";

        Assert.StartsWith("InputRefused,",
            Assert.Single(fixture.Try("Get-NataliaRestorePoint" + over + "-WhatIf").ErrorIds));
        ScriptResult several = fixture.Try("Get-NataliaRestorePoint" + over + "-Confirm:$false");
        Assert.StartsWith("InputRefused,", Assert.Single(several.ErrorIds));
        Assert.StartsWith("NotConfirmed,",
            Assert.Single(fixture.Try("Get-NataliaRestorePoint -Latest" + over).ErrorIds));
        string question = Assert.Single(fixture.Module.Session.Host.Questions);
        Assert.Contains("the VM 'natalia-01' on 'pve'", question);
        Assert.Contains("snapshots and replication are lost", question);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Method == "POST" && r.Path.EndsWith("/qemu"));
        Assert.Equal("16", fixture.Cluster.Guest(100).Config["cores"]);

        fixture.Do("Get-NataliaRestorePoint -Latest" + over + "-Confirm:$false");
        Assert.Equal("4", fixture.Cluster.Guest(100).Config["cores"]);
    }
}
