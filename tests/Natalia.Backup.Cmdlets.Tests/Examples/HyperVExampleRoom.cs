using Natalia.Backup.Cmdlets.Tests.Schedules;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.HyperV.Wmi;
using Natalia.Backup.Operations.Schedules.TaskScheduler;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Ssh;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// Two simulated Hyper-V hosts, the first with the appliance, and a stand-in of the Task Scheduler. Both are our models
/// of Microsoft's documentation; what answers in guests is a table.
/// </summary>
internal sealed class HyperVExampleRoom : ExampleRoom
{
    private const string Hosts =
        """
        param($hosts, $scheduler, $program)
        $global:hosts = $hosts
        function global:Connect-NataliaHypervisor {
            [CmdletBinding()] param([Parameter(Mandatory)] [string] $HyperV, [pscredential] $Credential, [string] $Name)
            Add-HyperV ($hosts.Open($HyperV)) @PSBoundParameters
        }
        function global:New-VMSwitch {
            [CmdletBinding()] param([Parameter(Position = 0)] $Name, [ValidateSet('Internal')] $SwitchType)
            $hosts.AddSwitch($Name)
        }
        # The program of these tests is no PowerShell that a task could start.
        $global:PSDefaultParameterValues = @{ 'Register-NataliaSchedule:PowerShellPath' = $program }
        Use-Scheduler $scheduler
        """;

    private readonly JumpingClock _clock = new();
    private readonly SimHost _host, _other;
    private readonly SimMachine _machine;
    private readonly TaskServiceStandIn _tasks = new();
    private SshServer? _ssh;

    /// <param name="name">What the appliance is called.</param>
    internal HyperVExampleRoom(string name)
    {
        _host = NewHost("hv1");
        _other = NewHost("hv2");
        _host.ReplicaServers.Add("hv2");
        _machine = new SimMachine(name) { Address = null };
        _machine.Adapters.Add(new SimAdapter { SwitchId = _host.Switches.First(s => s.Value == "voice").Key });
        _host.Machines.Add(_machine);
        _host.WriteFiles(_machine, new byte[70_000], new byte[4 << 20]);
        _host.NewDisk(_machine, 0, RepositoryFixture.Disk(300 * 512, 1));
        _host.NewDisk(_machine, 1, RepositoryFixture.Disk(500 * 512, 2));
        _host.OnMade = machine => machine.Programs = line =>
            line.Contains("cdr count", StringComparison.Ordinal) ? (0, "20000\n") : (0, "fine");
        _tasks.OnStart = Try;
        Do(Hosts, this, new TaskSchedulerScheduler(_tasks, _clock, this["C/ProgramData"]), Environment.ProcessPath);
    }

    /// <summary>Connects to one of the hosts, as a document names it.</summary>
    public object Open(string host) => HyperVHypervisor.ConnectAsync(host, name => Host(name) is SimHost simulated
        ? new HyperVHost(name, new SimGateway(simulated), simulated, _clock)
        : throw new ArgumentException($"There is no host '{name}'."), default,
        new SimDialer(_host, "natalia-test") { NeedsLogin = true }.Way).GetAwaiter().GetResult();

    /// <summary>Makes an internal switch.</summary>
    public void AddSwitch(string name) => _host.AddSwitch(name, isInternal: true);

    public override void Dispose()
    {
        base.Dispose();
        _ssh?.Dispose();
        Assert.Empty(_host.Violations.Concat(_other.Violations));
    }

    /// <summary>
    /// Firmware variables are never given to another VM; the guest of the appliance, a table, has no server of SSH.
    /// </summary>
    protected override IEnumerable<string> Told => ["not put back on the HyperV", "its SSH host key was not taken"];

    protected override IEnumerable<string> FailsBefore(string code) => Has(code, "-EnableVss") ? ["GuestVss"] : [];

    protected override void Prepare(string code)
    {
        _machine.IsVssOn = !Has(code, "-EnableVss");
        if (!Has(code, "New-VMSwitch")) AddSwitch("natalia-test");
        if (Has(code, "-Bucket ")) PrepareBucket();
        if (Has(code, "-SshHost "))
        {
            _ssh = new SshServer();
            Change(@"natalia-01\.example\.com", $"127.0.0.1:{_ssh.Port}", "The SSH server is on this machine.");
        }
        Change(@"SHA256:(…|\.\.\.)", "SHA256:uNiVztksCsDhcc0u9e8BrrM1gHKyhsJ4mzGTbHs3WeY",
            "The place of the reader's own host key.");
        bool connects = Has(code, "Connect-NataliaHypervisor|Import-NataliaProfile");
        if (!connects) Do("$null = Connect-NataliaHypervisor -HyperV hv1.example.com -Name hv");
        if (Has(code, "-Hypervisor hv2")) Do("$null = Connect-NataliaHypervisor -HyperV hv2.example.com");
        if (!Has(code, "New-NataliaRepository"))
            Do(@"$null = New-NataliaRepository -Path N:\nas\backup\natalia -Name nas -Password (Get-Secret nas)");
        string network = Has(code, "-IsolatedNetwork") ? "" : " -IsolatedNetwork natalia-test";
        if (!connects)
            Do($"Set-NataliaAppliance $args[0] -Repository nas -DataDisk scsi0:1{network}; "
                + "$null = Invoke-NataliaBackup $args[0] -CdrBaseline 20000", _machine.Name);
        if (Has(code, "-SystemImage|Test-NataliaRestore"))
        {
            File.WriteAllBytes(this["D/system.raw"], RepositoryFixture.Disk(200 * 512, 7));
            OvaPackage.Make(this["D/natalia.ova"], this["D/system.raw"]);
            if (Has(code, "Test-NataliaRestore"))
                Do("Set-NataliaAppliance $args[0] -SystemImage $args[1]", _machine.Name, this["D/natalia.ova"]);
        }
        if (Has(code, "Schedule")) PrepareSchedule(code);
    }

    protected override void LookAtEffects(string code, EngineSession.Result result)
    {
        base.LookAtEffects(code, result);
        Assert.Empty(_machine.Snapshots);
        if (Has(code, "-EnableVss")) Assert.True(_machine.IsVssOn);
        if (Has(code, "-IsolatedNetwork (?<name>\\S+)", out string network))
            Assert.Equal([network, "natalia-guest"], Do("(Get-NataliaAppliance).RestoreTest | ForEach-Object { "
                + "$_.IsolatedNetwork; $_.GuestCredential }").Text);
        if (_ssh is not null)
            Assert.Equal(Hypervisors.Contract.SshHostKey.Parse(_ssh.PublicKey("host-ed25519")).Fingerprint,
                Do("(Get-NataliaAppliance).RestoreTest.SshHostKey").Text.Single());
        if (Has(code, "Set-NataliaReplication.* -TargetVMHost (?<name>\\S+)", out string target))
            Assert.Equal((target, (ushort)300), (_machine.ReplicaHost, _machine.ReplicationInterval));
        if (Has(code, "-ImmutableWhileKept"))
            Assert.Equal(["True"], Do("(Get-NataliaRepository offsite).ImmutableWhileKept").Text);
        if (Has(code, "Restore-NataliaAppliance"))
        {
            SimMachine restored = Assert.Single(_other.Machines);
            Assert.Equal((ushort)2, restored.State);
            Assert.Equal(_host.Content(_machine, 1), restored.Disks[1].Content());
        }
        if (Has(code, "Register-NataliaSchedule")) LookAtTasks(code);
        if (Has(code, "Unregister-NataliaSchedule.*-WhatIf")) Assert.Single(_tasks.Tasks);
    }

    /// <summary>A new bucket of a real gateway.</summary>
    private void PrepareBucket()
    {
        const string reason = "The gateway is on this machine, and each test has a bucket of its own.";
        Vault.Credentials["natalia-offsite-s3"] = Vault.Credential(CephServer.AccessKey, CephServer.SecretKey);
        Change(@"-Bucket natalia-offsite",
            $"-Bucket {CephServer.Running.MakeBucketAsync(objectLock: true).GetAwaiter().GetResult()}", reason);
        Change(@"https://s3\.example\.net", CephServer.Running.Endpoint.AbsoluteUri, reason);
    }

    private void LookAtTasks(string code)
    {
        Assert.Equal(Has(code, "-QuarterlyRestoreTest") ? 2 : 1, _tasks.Tasks.Count);
        string xml = _tasks.Tasks["natalia-backup-natalia"].Xml;
        Assert.Contains("2020-01-01T19:00:00", xml, StringComparison.Ordinal);
        Assert.DoesNotContain(Vault.PasswordText, xml, StringComparison.Ordinal);
        if (Has(code, "-Account '(?<name>[^']+)'", out string account))
            Assert.Contains($"<UserId>{account}</UserId>", xml, StringComparison.Ordinal);
        if (Has(code, "Register-NataliaSchedule.*-Credential"))
            Assert.All(_tasks.Passwords, p => Assert.Equal(Vault.PasswordText, p));
        if (Has(code, "-CopyTo (?<name>\\w+)", out string copy))
            Assert.Contains($"-CopyTo {copy}", xml, StringComparison.Ordinal);
    }

    /// <summary>A profile of what is connected, and the schedule that an example does not register itself.</summary>
    private void PrepareSchedule(string code)
    {
        if (Has(code, "Connect-NataliaHypervisor")) return;
        if (Has(code, "Import-NataliaProfile")) UseFolder();
        if (Has(code, "-CopyTo"))
            Do(@"$null = New-NataliaRepository D:\offsite -Name offsite -Password (Get-Secret offsite)");
        if (Has(code, "Export-NataliaProfile")) return;
        Do(@"Export-NataliaProfile C:\ProgramData\natalia.json -SecretName @{ nas = 'natalia-nas' }; "
            + "Copy-Item C:\\ProgramData\\natalia.json natalia.json");
        if (Has(code, "Register-NataliaSchedule")) return;
        Do(@"$null = Register-NataliaSchedule -ProfilePath C:\ProgramData\natalia.json -Name nightly "
            + "-WarningAction Ignore");
        if (!Has(code, "Import-NataliaProfile")) return;
        // A run that failed, and a session in which nothing is connected yet.
        _tasks.Set("natalia-backup-nightly", t => t with { LastRunUtc = DateTime.UtcNow, LastResult = 1 });
        Do("Get-NataliaHypervisor | Disconnect-NataliaHypervisor; "
            + "Get-NataliaRepository | Disconnect-NataliaRepository");
    }

    /// <summary>
    /// A profile with a Hyper-V host is imported on Windows alone: a folder of exported VMs takes its place.
    /// </summary>
    private void UseFolder()
    {
        Directory.CreateDirectory(this["D/Exports/natalia-paris"]);
        File.WriteAllBytes(this["D/Exports/natalia-paris/data.raw"], RepositoryFixture.Disk(200 * 512, 3));
        Do(@"$cmdlet = Get-Command Connect-NataliaHypervisor -CommandType Cmdlet; "
            + @"$null = & $cmdlet -Folder D:\Exports -Name exports; "
            + "Set-NataliaAppliance natalia-paris -Repository nas; $null = Invoke-NataliaBackup natalia-paris");
    }

    /// <summary>What a trial of a schedule's account reports when all is well.</summary>
    private void Try(string name, string xml)
    {
        string folder = xml.Split("-ReportFolder ")[1].Split(' ', '<')[0].Trim('"');
        File.WriteAllText(Path.Combine(folder, "probe.json"), "natalia-probe {\"account\":\"CONTOSO\\\\natalia$\","
            + "\"connected\":[\"hv\",\"nas\"],\"notConnected\":[],\"warnings\":[],\"appliances\":1,"
            + "\"missing\":[],\"error\":null}");
        _tasks.Set(name, t => t with { LastRunUtc = DateTime.UtcNow, LastResult = 0 });
    }

    private SimHost NewHost(string name)
    {
        var host = new SimHost(name, this[$"D/{name}"], _clock)
        {
            JobTime = TimeSpan.Zero,
            MergeTime = TimeSpan.Zero,
        };
        host.AddSwitch("voice");
        return host;
    }

    private SimHost? Host(string name) => name.Split('.')[0] switch { "hv1" => _host, "hv2" => _other, _ => null };
}
