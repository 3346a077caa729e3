namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// What an account with too few rights is told. The server leaves out what may not be seen, and says nothing. The
/// cluster is our simulator.
/// </summary>
public sealed class RightsTests
{
    private static readonly string[] s_documented = ["VM.Audit", "VM.Backup", "Datastore.Audit",
        "Datastore.AllocateSpace", "Datastore.Allocate", "Sys.Audit", "VM.Allocate", "VM.Config.Network",
        "VM.Config.Options", "VM.PowerMgmt", "SDN.Use"];

    [Fact]
    public async Task A_storage_that_is_hidden_is_a_missing_right_and_not_a_missing_storage()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.ConnectCluster();
        fixture.Cluster.Rights = Without("Datastore.Audit");
        ScriptResult refused = fixture.Try("Connect-NataliaRepository -ProxmoxStorage pbs");
        Assert.StartsWith("PermissionDenied,", Assert.Single(refused.ErrorIds));
        Assert.Contains("Missing: Datastore.Audit on /storage/pbs", Message(refused));
    }

    [Fact]
    public async Task An_account_that_sees_nothing_is_told_so()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.ConnectCluster();
        fixture.Cluster.Rights = [];
        foreach (string script in new[] { "Get-NataliaAppliance -Name *", "Get-NataliaReplication" })
        {
            ScriptResult refused = fixture.Try(script);
            Assert.StartsWith("PermissionDenied,", Assert.Single(refused.ErrorIds));
            Assert.Contains("Missing: VM.Audit on /vms", Message(refused));
        }
        // An empty cluster is no error to whom may see one.
        fixture.Cluster.Guests.Clear();
        fixture.Cluster.Rights = Without();
        Assert.Empty(fixture.Do("Get-NataliaAppliance -Name *; Get-NataliaReplication").Output);
    }

    [Fact]
    public async Task A_restore_that_its_maker_could_not_see_is_refused_before_anything_is_made()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromSeconds(20));
        fixture.Connect();
        fixture.Do("$null = Invoke-NataliaBackup natalia-01");
        const string restore = "Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -NewName copy -Network @{ "
            + "vmbr0 = 'vmbr9' } -Storage thin";
        fixture.Cluster.Rights = Without("VM.Audit");
        fixture.Cluster.Rights["/vms/100"] = s_documented.ToDictionary(r => r, _ => true);
        ScriptResult blind = fixture.Try(restore);
        Assert.StartsWith("PermissionDenied,", Assert.Single(blind.ErrorIds));
        Assert.Contains("Missing: VM.Audit on /vms/101", Message(blind));
        ScriptResult checks = fixture.Do("Test-NataliaPrerequisite natalia-01 -Repository pbs -Detailed | Where-Object { "
            + "$_.Name -eq 'RestoreRight' -and $_.Result -ne 'Passed' }");
        Assert.Equal("VM.Audit on /vms", checks.Value("Target"));

        fixture.Cluster.Rights = Without("SDN.Use");
        ScriptResult hidden = fixture.Try(restore);
        Assert.StartsWith("PermissionDenied,", Assert.Single(hidden.ErrorIds));
        Assert.Contains("SDN.Use on /sdn/zones/localnetwork/vmbr9", Message(hidden));
        Assert.Single(fixture.Cluster.Guests);

        // The documented rights suffice.
        fixture.Cluster.Rights = Without();
        Assert.Equal("copy", fixture.Do(restore).Value("Name"));
    }

    [Fact]
    public async Task Of_many_rights_that_open_a_request_the_one_that_is_needed_is_named()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Cluster.Rights = Without("VM.Config.Network", "VM.Config.Options");
        ScriptResult refused = fixture.Try("Set-NataliaAppliance natalia-01 -Repository pbs");
        Assert.Contains("Missing: VM.Config.Options on /vms/100", Message(refused));
        Assert.DoesNotContain("VM.Config.CDROM", Message(refused) + refused.Errors[0].ErrorDetails.RecommendedAction);
    }

    private static string Message(ScriptResult result) =>
        (result.TerminatingError ?? result.Errors[0]).Exception.Message;

    private static Dictionary<string, Dictionary<string, bool>> Without(params string[] rights) => new()
    {
        ["/"] = s_documented.Except(rights).ToDictionary(r => r, _ => true),
    };
}
