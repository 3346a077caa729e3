using Natalia.Backup.Engine.Model;
using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// A simulated Proxmox VE cluster with the appliance, and its backup server. Every request is held against the
/// published interface.
/// </summary>
internal sealed class ProxmoxExampleRoom : ExampleRoom
{
    private readonly SimulatorServer _cluster, _backupServer;

    internal ProxmoxExampleRoom()
    {
        // The client waits in real time, so the cluster's tasks run a hundred times as fast.
        var simulated = new SimulatedCluster(new JumpingClock(speed: 100)) { TimeZone = "Etc/UTC" };
        SampleCluster.AddStorages(simulated);
        simulated.Guests.Add(SampleCluster.Appliance(100, "natalia-01", "pve1"));
        _cluster = SimulatorServer.StartAsync(simulated.Nodes, OperationTable.VirtualEnvironment, simulated.Answer)
            .GetAwaiter().GetResult();
        simulated.AuthorityFingerprint = _cluster.AuthorityFingerprint;
        _backupServer = SimulatorServer.StartAsync(["pbs"], OperationTable.BackupServer, AnswerOfBackupServer)
            .GetAwaiter().GetResult();
        foreach (string place in new[] { "C/ProgramData/pve-root-ca.pem", "here/pve-root-ca.pem" })
            File.WriteAllText(this[place], _cluster.Authority.ExportCertificatePem());
        File.WriteAllText(this["C/ProgramData/pbs.pem"], _backupServer.Authority.ExportCertificatePem());
        Vault.Login = Vault.Credential("backup@pve!natalia", "11111111-2222-3333-4444-555555555555");
        foreach (string name in new[] { "proxmox", "proxmox-token" }) Vault.Credentials[name] = Vault.Login;
        Vault.Credentials["pbs-audit"] = Vault.Credential("audit@pbs!natalia", "99999999-2222-3333-4444-555555555555");
        const string reason = "The servers are on this machine.";
        foreach (string node in simulated.Nodes)
            Change($@"\b{node}\.example\.com", $"127.0.0.1:{_cluster.Ports[node]}", reason);
        Change(@"\bpbs\.example\.com", $"127.0.0.1:{_backupServer.Ports["pbs"]}", reason);
    }

    /// <summary>What a storage says that is connected without a repository for its evidence.</summary>
    protected override IEnumerable<string> Told => ["keeps no audit log"];

    public override void Dispose()
    {
        base.Dispose();
        SimulatorServer[] servers = [_cluster, _backupServer];
        foreach (SimulatorServer server in servers) server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        Assert.Empty(servers.SelectMany(s => s.Violations));
    }

    protected override void Prepare(string code)
    {
        if (!Has(code, "Connect-NataliaHypervisor"))
            Do("$null = Connect-NataliaHypervisor -Proxmox $args[0] -Credential (Get-Secret proxmox) -CaCertificate "
                + @"C:\ProgramData\pve-root-ca.pem -Name pve", $"127.0.0.1:{_cluster.Ports["pve1"]}");
        if (Has(code, "Connect-NataliaRepository -Path .* -Name evidence"))
            Do(@"$null = New-NataliaRepository -Path N:\nas\backup\evidence -Name evidence -Password (Get-Secret x); "
                + "Disconnect-NataliaRepository evidence");
        if (Has(code, "-EvidenceRepository nas"))
            Do(@"$null = New-NataliaRepository -Path N:\nas\backup\natalia -Name nas -Password (Get-Secret nas)");
        if (!Has(code, "Connect-NataliaRepository"))
            Do("$null = Connect-NataliaRepository -ProxmoxStorage pbs -WarningAction Ignore");
    }

    protected override void LookAtEffects(string code, EngineSession.Result result)
    {
        base.LookAtEffects(code, result);
        if (Has(code, "-EvidenceRepository (?<name>\\w+)", out string evidence))
            Assert.Equal([evidence], Do("(Get-NataliaRepository pbs).EvidenceRepository").Text);
        if (Has(code, "-BackupServer"))
        {
            Assert.Contains(Of<CheckResult>(result), c => c is { Name: "BackupServer", Result: CheckOutcome.Passed });
            Assert.DoesNotContain(Of<CheckResult>(result), c => c.Result == CheckOutcome.Failed);
        }
        if (Has(code, "Restore-NataliaAppliance.* -NewName (?<name>\\S+)", out string name))
            Assert.Equal([name], Do("(Get-NataliaAppliance -Name $args[0]).Name", name).Text);
    }

    private static string Verified(long at) => $"UPID:pbs:000003E9:00001B5F:0000ABCD:{at:X8}:verify:tank:root@pam:";

    private static SimulatorReply AnswerOfBackupServer(SimulatorRequest request)
    {
        long minuteAgo = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60;
        var ended = new Dictionary<string, object>
        {
            ["id"] = "j",
            ["store"] = "tank",
            ["last-run-state"] = "OK",
            ["last-run-endtime"] = minuteAgo,
        };
        return request.Path switch
        {
            "/version" => SimulatorReply.Ok(new { version = "4.0.1" }),
            "/admin/datastore" => SimulatorReply.Ok(new[] { new { store = "tank" } }),
            "/admin/prune" or "/admin/verify" => SimulatorReply.Ok(new[] { ended }),
            "/admin/datastore/tank/gc" => SimulatorReply.Ok(ended),
            "/admin/datastore/tank/snapshots" => SimulatorReply.Ok(new[] { new Dictionary<string, object>
            {
                ["backup-type"] = "vm",
                ["backup-id"] = "100",
                ["backup-time"] = minuteAgo,
                ["size"] = 1 << 20,
                ["verification"] = new { state = "ok", upid = Verified(minuteAgo) },
            } }),
            _ => SimulatorReply.Fail(404, "not served"),
        };
    }
}
