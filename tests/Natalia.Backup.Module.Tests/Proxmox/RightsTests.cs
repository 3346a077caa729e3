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
        await using ProxmoxScenario scenario = await ProxmoxScenario.StartAsync();
        scenario.ConnectCluster();
        scenario.Cluster.Rights = Without("Datastore.Audit");
        ScriptResult refused = scenario.Try("Connect-NataliaRepository -ProxmoxStorage pbs");
        Assert.StartsWith("PermissionDenied,", Assert.Single(refused.ErrorIds));
        Assert.Contains("Missing: Datastore.Audit on /storage/pbs", Message(refused));
    }

    [Fact]
    public async Task An_account_that_sees_nothing_is_told_so()
    {
        await using ProxmoxScenario scenario = await ProxmoxScenario.StartAsync();
        scenario.ConnectCluster();
        scenario.Cluster.Rights = [];
        foreach (string script in new[] { "Get-NataliaAppliance -Name *", "Get-NataliaReplication" })
        {
            ScriptResult refused = scenario.Try(script);
            Assert.StartsWith("PermissionDenied,", Assert.Single(refused.ErrorIds));
            Assert.Contains("Missing: VM.Audit on /vms", Message(refused));
        }
        // An empty cluster is no error to whom may see one.
        scenario.Cluster.Guests.Clear();
        scenario.Cluster.Rights = Without();
        Assert.Empty(scenario.Do("Get-NataliaAppliance -Name *; Get-NataliaReplication").Output);
    }

    [Fact]
    public async Task A_restore_that_its_maker_could_not_see_is_refused_before_anything_is_made()
    {
        await using ProxmoxScenario scenario =
            await ProxmoxScenario.StartAsync(c => c.BackupDuration = TimeSpan.FromSeconds(20));
        scenario.Connect();
        scenario.Do("$null = Invoke-NataliaBackup natalia-01");
        const string restore = "Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -NewName copy -Network @{ "
            + "vmbr0 = 'vmbr9' } -Storage thin";
        scenario.Cluster.Rights = Without("VM.Audit");
        scenario.Cluster.Rights["/vms/100"] = s_documented.ToDictionary(r => r, _ => true);
        ScriptResult blind = scenario.Try(restore);
        Assert.StartsWith("PermissionDenied,", Assert.Single(blind.ErrorIds));
        Assert.Contains("Missing: VM.Audit on /vms/101", Message(blind));
        ScriptResult checks = scenario.Do("Test-NataliaPrerequisite natalia-01 -Repository pbs | Where-Object { "
            + "$_.Name -eq 'RestoreRight' -and $_.Result -ne 'Passed' }");
        Assert.Equal("VM.Audit on /vms", checks.Value("Target"));

        scenario.Cluster.Rights = Without("SDN.Use");
        ScriptResult hidden = scenario.Try(restore);
        Assert.StartsWith("PermissionDenied,", Assert.Single(hidden.ErrorIds));
        Assert.Contains("SDN.Use on /sdn/zones/localnetwork/vmbr9", Message(hidden));
        Assert.Single(scenario.Cluster.Guests);

        // The documented rights suffice.
        scenario.Cluster.Rights = Without();
        Assert.Equal("copy", scenario.Do(restore).Value("Name"));
    }

    [Fact]
    public async Task Of_many_rights_that_open_a_request_the_one_that_is_needed_is_named()
    {
        await using ProxmoxScenario scenario = await ProxmoxScenario.StartAsync();
        scenario.Connect();
        scenario.Cluster.Rights = Without("VM.Config.Network", "VM.Config.Options");
        ScriptResult refused = scenario.Try("Set-NataliaAppliance natalia-01 -Repository pbs");
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
