using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// A simulated vCenter with the appliance: govmomi's simulator with a handler that is our model of what it lacks.
/// </summary>
internal sealed class VMwareExampleRoom : ExampleRoom
{
    private readonly SimulatedVSphere _server = SimulatedVSphere.Start("-name", "natalia-01", "-disk-mib", "1",
        "-second-disk-mib", "2", "-own-certificate");

    internal VMwareExampleRoom()
    {
        Vault.Login = Vault.Credentials["vcenter"] = Vault.Credential(_server.User, SimulatedVSphere.Password);
        File.WriteAllBytes(this["C/ProgramData/vmca.pem"], _server.Authority);
        Change(@"-VMware vcenter\.example\.com", $"-VMware localhost -Port {_server.Port}",
            "The server is on this machine.");
        Do("$global:thumbprint = $args[0]", _server.Thumbprint);
    }

    /// <summary>Not asked for by everybody: it costs the VM a moment.</summary>
    protected override IEnumerable<string> Told => ["change tracking was switched on"];

    /// <summary>The names of the simulator's ESXi hosts are nobody's.</summary>
    protected override IEnumerable<string> FailsBefore(string code) => ["VMHost"];

    public override void Dispose()
    {
        base.Dispose();
        _server.Dispose();
    }

    protected override void Prepare(string code)
    {
        bool connects = Has(code, "Connect-NataliaHypervisor");
        if (!connects)
            Do("$null = Connect-NataliaHypervisor -VMware localhost -Port $args[0] -Credential (Get-Secret vcenter) "
                + @"-CaCertificate C:\ProgramData\vmca.pem -Name vc", _server.Port);
        if (!Has(code, "New-NataliaRepository"))
            Do(@"$null = New-NataliaRepository -Path N:\nas\backup\natalia -Name nas -Password (Get-Secret nas)");
        if (Has(code, "Connect-NataliaRepository")) Do("Disconnect-NataliaRepository nas");
        if (!Has(code, "-Consolidate")) return;
        // A removal of a snapshot that left something to consolidate.
        Do("$null = Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:1; "
            + "$null = Invoke-NataliaSnapshot natalia-01");
        _server.Do("consolidate", ("vm", Machine.Id));
        Do("Get-NataliaSnapshot natalia-01 | Remove-NataliaSnapshot -ErrorAction Ignore");
    }

    protected override void LookAtEffects(string code, EngineSession.Result result)
    {
        base.LookAtEffects(code, result);
        Assert.Empty(_server.Snapshots(Machine));
        if (Has(code, "-Consolidate")) Assert.Contains("ConsolidateVMDisks_Task", _server.Calls());
        if (Has(code, "-EnableChangeTracking"))
        {
            _server.Write(Machine, 1, 4096, [1, 2, 3, 4]);
            Assert.Equal("Incremental", Do("(Invoke-NataliaBackup natalia-01).Type").Text.Single());
        }
    }

    private SimulatedVSphere.Machine Machine => _server.Machines.Single(m => m.Name == "natalia-01");
}
