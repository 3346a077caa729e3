using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.VMware;

/// <summary>
/// What a user does with a vCenter and with an ESXi host. They are govmomi's simulator with a handler that is our model
/// of what it lacks; it proves the cycle and the protocol, and not that a real host behaves so.
/// </summary>
public sealed class VMwareTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    /// <summary>The script runs against any server that speaks the protocol.</summary>
    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_full_and_an_incremental_are_what_the_disk_was(bool isCenter)
    {
        using SimulatedVSphere server = SimulatedVSphere.Start(isCenter ? [] : ["-esx"]);
        SimulatedVSphere.Machine vm = server.Appliance;
        byte[] content = new byte[vm.Disks[0].Size];
        void Write(int offset, int length)
        {
            new Random(offset).NextBytes(content.AsSpan(offset, length));
            server.Write(vm, 0, offset, content.AsSpan(offset, length).ToArray());
        }
        Write(100_000, 3_000_000);
        string work = module.NewFolder();
        using var run = RunnerProcess.Start(Script("acceptance.ps1"), server.Host, $"{server.Port}", server.User,
            SimulatedVSphere.Password, server.Thumbprint, vm.Name, work);
        string? line;
        var said = new List<string>();
        while ((line = await run.ReadLineAsync()) is not null && line != "CHANGE NOW") said.Add(line);
        Assert.True(line is not null, string.Join("\n", said));
        Assert.Equal(content, File.ReadAllBytes(Path.Combine(work, "full.raw")));
        Write(5_000_000, 70_000);
        File.WriteAllText(Path.Combine(work, "changed"), "");
        RunnerProcess.Result result = await run.FinishAsync();

        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        Assert.Contains("ok  no snapshot of ours is left", result.Output, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllBytes(Path.Combine(work, "next.raw")));
        Assert.Empty(server.Snapshots(vm));
        Assert.Equal("Logout", server.Calls()[^1]);
    }

    [VSphereFact]
    public void Connections_are_kept_in_profiles_and_told_in_words()
    {
        using SimulatedVSphere server = SimulatedVSphere.Start("-esx");
        string folder = module.NewFolder();
        ScriptResult result = module.Run("""
            param($port, $user, $secret, $thumbprint, $folder)
            $credential = [pscredential]::new($user, (ConvertTo-SecureString $secret -AsPlainText -Force))
            $server = @{ VMware = '127.0.0.1'; Port = $port; Credential = $credential }
            $null = Connect-NataliaHypervisor @server -ServerCertificateThumbprint $thumbprint -Name esx
            Export-NataliaProfile -Path "$folder/p.json" -SecretName @{ esx = 'esx-login' }
            (Get-Content -Raw "$folder/p.json")
            $consolidate = @{ Appliance = 'natalia-nice'; Consolidate = $true; Confirm = $false; Verbose = $true }
            Remove-NataliaSnapshot @consolidate 4>&1 | ForEach-Object Message
            Connect-NataliaHypervisor @server -Name stranger -ErrorAction Continue
            """, server.Port, server.User, SimulatedVSphere.Password, server.Thumbprint, folder);
        string output = string.Join("\n", result.Text);
        Assert.Contains("\"VMware\"", output, StringComparison.Ordinal);
        Assert.DoesNotContain(SimulatedVSphere.Password, output, StringComparison.Ordinal);
        Assert.Contains("nothing has to be merged", output, StringComparison.Ordinal);
        Assert.StartsWith("ServerNotTrusted,", result.ErrorIds.Single(), StringComparison.Ordinal);
    }

    [VSphereFact]
    public void A_point_says_that_the_VM_had_a_snapshot_of_others_and_the_snapshot_stays()
    {
        using SimulatedVSphere server = SimulatedVSphere.Start("-esx", "-disk-mib", "1");
        server.Do("snapshot", ("vm", server.Appliance.Id), ("name", "before the upgrade"));
        ScriptResult result = module.Run("""
            param($port, $user, $secret, $thumbprint, $folder)
            $credential = [pscredential]::new($user, (ConvertTo-SecureString $secret -AsPlainText -Force))
            $null = Connect-NataliaHypervisor -VMware 127.0.0.1 -Port $port -Credential $credential -Name shared `
                -ServerCertificateThumbprint $thumbprint
            $null = New-NataliaRepository -Path "$folder/r" -Unencrypted -Name points
            $null = Get-NataliaAppliance natalia-nice -Hypervisor shared |
                Invoke-NataliaBackup -Repository points -WarningAction SilentlyContinue
            (Get-NataliaRestorePoint -Repository points).Reason
            """, server.Port, server.User, SimulatedVSphere.Password, server.Thumbprint, module.NewFolder());
        Assert.Empty(result.ErrorIds);
        Assert.Contains("The VM had a snapshot of others, which backups never touch.", result.Text.Single(),
            StringComparison.Ordinal);
        Assert.Equal(["before the upgrade"], server.Snapshots(server.Appliance));
    }

    private static string Script(string name) => Path.Combine(BuildLayout.RepositoryRoot, "tests",
        "Natalia.Backup.Module.Tests", "VMware", name);
}
