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
    public void A_server_is_known_by_the_authority_that_issued_its_certificate_and_by_no_other()
    {
        using SimulatedVSphere server = SimulatedVSphere.Start("-esx", "-own-certificate"),
            stranger = SimulatedVSphere.Start("-esx", "-own-certificate");
        string folder = module.NewFolder();
        File.WriteAllBytes(Path.Combine(folder, "ca.pem"), server.Authority);
        File.WriteAllBytes(Path.Combine(folder, "stranger.pem"), stranger.Authority);
        ScriptResult result = module.Run("""
            param($port, $user, $secret, $folder)
            $credential = [pscredential]::new($user, (ConvertTo-SecureString $secret -AsPlainText -Force))
            $server = @{ Port = $port; Credential = $credential; ErrorAction = 'Continue' }
            $null = Connect-NataliaHypervisor @server -VMware localhost -CaCertificate "$folder/ca.pem" -Name known
            (Get-NataliaAppliance natalia-nice -Hypervisor known).Name
            $null = Connect-NataliaHypervisor @server -VMware localhost -CaCertificate "$folder/stranger.pem" -Name a
            $null = Connect-NataliaHypervisor @server -VMware 127.0.0.1 -CaCertificate "$folder/ca.pem" -Name b
            """, server.Port, server.User, SimulatedVSphere.Password, folder);
        Assert.Equal(["natalia-nice"], result.Text);
        // The second has the right authority, and is asked for by a name that the certificate does not have.
        Assert.Equal(2, result.ErrorIds.Count);
        Assert.All(result.ErrorIds, e => Assert.StartsWith("ServerNotTrusted,", e, StringComparison.Ordinal));
        Assert.Single(server.Calls(), c => c == "Login");
    }

    /// <summary>In a process of its own: a proxy is of the whole process.</summary>
    [VSphereTheory]
    [InlineData("natalia:pass%3Aword@", "none.test", true)]
    [InlineData("natalia:wr0ng@", "none.test", false)]
    [InlineData("natalia:wr0ng@", "company.test, 127.0.0.0/8", true)]
    public async Task A_proxy_is_used_with_its_login_and_named_where_it_refuses(string login, string exempt, bool works)
    {
        using SimulatedVSphere server = SimulatedVSphere.Start();
        using var proxy = new ForwardProxy(host => host == "vcenter.company.test" ? server.Address : null,
            "natalia:pass:word");
        bool isDirect = exempt.Contains("127.", StringComparison.Ordinal);
        string script = Path.Combine(module.NewFolder(), "proxy.ps1");
        File.WriteAllText(script, """
            param($Server, $Port, $User, $Secret, $Thumbprint, $Proxy, $Exempt)
            $ErrorActionPreference = 'Stop'
            ($env:HTTPS_PROXY, $env:NO_PROXY) = ($Proxy, $Exempt)
            $p = @{ VMware = $Server; Port = $Port; ServerCertificateThumbprint = $Thumbprint; Name = 'vc' }
            $p.Credential = [pscredential]::new($User, (ConvertTo-SecureString $Secret -AsPlainText -Force))
            try {
                $null = Connect-NataliaHypervisor @p
                (Get-NataliaAppliance natalia-nice -Hypervisor vc).Name
                (Test-NataliaPrerequisite natalia-nice -Detailed | Where-Object Name -eq VMHost).Actual |
                    Select-Object -Unique
            }
            catch { "$($_.FullyQualifiedErrorId.Split(',')[0]) $_ $($_.Exception)" }
            """);
        RunnerProcess.Result run = await RunnerProcess.RunAsync(script,
            isDirect ? server.Host : "vcenter.company.test", $"{server.Port}", server.User, SimulatedVSphere.Password,
            server.Thumbprint, $"http://{login}127.0.0.1:{proxy.Port}", exempt);
        Assert.True(run.ExitCode == 0, run.Error);
        if (works) Assert.Equal(["natalia-nice", "behind a proxy"], run.Lines);
        else Assert.StartsWith("ProxyAuthenticationFailed ", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("wr0ng", run.Output, StringComparison.Ordinal);
        Assert.Equal(works, server.Calls().Contains("Login"));
        Assert.Equal(isDirect, proxy.Asked.Count == 0);
        Assert.All(proxy.Asked, a => Assert.Equal($"vcenter.company.test:{server.Port}", a));
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
