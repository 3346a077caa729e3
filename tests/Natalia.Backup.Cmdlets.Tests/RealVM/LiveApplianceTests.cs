using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.RealVM;

/// <summary>
/// The whole procedure on one machine, with nothing simulated: a Debian appliance runs and its PostgreSQL writes; it is
/// backed up live, and what the last increment came to is restored, booted without a network, checked and destroyed.
/// Its system disk comes from an OVA.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class LiveApplianceTests : IDisposable
{
    private const string CountOfLive = "/usr/lib/postgresql/15/bin/psql -XqAt -U postgres -d natalia -c "
        + "\"SELECT count(*) FROM cdr WHERE exchange = 'live'\"";

    private readonly TemporaryFolder _folder = new();
    private readonly EngineSession _session = new();
    private Process? _vm;

    public void Dispose()
    {
        StopVM();
        _session.Dispose();
        _folder.Dispose();
    }

    [ApplianceFact]
    public async Task The_last_increment_of_an_appliance_that_writes_passes_all_six_steps()
    {
        string vms = _folder["vms"], bench = Directory.CreateDirectory(_folder["bench"]).FullName;
        TestAppliance appliance = TestAppliance.Make(_folder["vms/natalia-nice"]);
        string image = _folder["system.vmdk"];
        Convert(appliance.SystemImage, image);
        string ova = OvaPackage.Make(_folder["natalia-nice.ova"], image);
        string id = StartVM(appliance);
        using IHypervisor live = QemuHypervisor.Open(vms);
        await WaitForRecordsAsync(live, id, 0);
        Run("""
            $vms, $bench, $repository, $ova = $args
            $null = Connect-NataliaHypervisor -Qemu $vms -Name live
            $null = Connect-NataliaHypervisor -Qemu $bench -Name bench
            $null = New-NataliaRepository -Name local -Path $repository -Unencrypted
            Set-NataliaAppliance natalia-nice -Hypervisor live -Repository local -TestBench bench -SystemImage $ova `
                -CdrCountCommand 'natalia-cli cdr count --day {day} --zone {zone}'
            """, vms, bench, _folder["repository"], ova);

        List<RestorePoint> points = [];
        long records = 0;
        for (int run = 0; run < 3; run++)
        {
            // What the guest wrote meanwhile is in the next point.
            records = await WaitForRecordsAsync(live, id, records);
            points.Add((RestorePoint)Run("Invoke-NataliaBackup natalia-nice -Hypervisor live").Output[0].BaseObject);
        }
        Assert.Equal([BackupType.Full, BackupType.Incremental, BackupType.Incremental],
            points.Select(p => p.Type));
        Assert.All(points, p => Assert.Equal(Consistency.FileSystem, p.Consistency));
        Assert.All(points.Skip(1), p => Assert.InRange(p.ReadBytes!.Value, 1, points[0].ReadBytes!.Value / 2));
        Assert.Empty(Directory.GetFiles(vms, "*.qcow2", SearchOption.AllDirectories));
        // The note of the bitmap that the next increment would ask.
        Assert.Single(Directory.GetFiles(vms, "*.backup.json", SearchOption.AllDirectories));
        // Its processors are wanted for the test VM.
        StopVM();

        var test = (RestoreTest)Run("""
            $newest, $query = $args
            $written = { [long]$_.Run('/bin/sh', '-c', $query).Output -ge $newest }
            Test-NataliaRestore natalia-nice -Check @{ Written = $written }
            """, records, CountOfLive).Output[0].BaseObject;

        Assert.Equal((RestoreTestResult.Passed, null), (test.Result, test.Reason));
        Assert.Equal(points[2].RestorePointId, test.RestorePointId);
        Assert.Equal(["Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount", "Written", "Destroyed"],
            test.Checks.Select(c => c.Name));
        Assert.All(test.Checks, c => Assert.Equal(CheckOutcome.Passed, c.Result));
        CheckResult count = test.Checks.Single(c => c.Name == "CdrCount");
        Assert.Equal(count.Expected, count.Actual);
        Assert.Equal(appliance.CdrCount.ToString(CultureInfo.InvariantCulture), count.Actual);
        Assert.Empty(Directory.GetFiles(bench, "*", SearchOption.AllDirectories));
        Assert.DoesNotContain(Directory.GetDirectories("/proc"), p => CommandLine(p).Contains(bench));
    }

    /// <summary>As an image lies in an OVA.</summary>
    private static void Convert(string raw, string vmdk)
    {
        using Process convert = Process.Start("qemu-img", ["convert", "-f", "raw", "-O", "vmdk", "-o",
            "subformat=streamOptimized", raw, vmdk]);
        convert.WaitForExit();
        Assert.Equal(0, convert.ExitCode);
    }

    /// <summary>Starts the VM as an administrator would, with the sockets that its description names.</summary>
    private string StartVM(TestAppliance appliance)
    {
        string file = Path.Combine(appliance.Folder, "vm.json");
        JsonNode description = JsonNode.Parse(File.ReadAllText(file))!;
        (description["monitorSocket"], description["agentSocket"]) = ("qmp.sock", "agent.sock");
        File.WriteAllText(file, description.ToJsonString());
        string id = (string)description["id"]!;
        List<string> line =
        [
            "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-m", "1024", "-smp", "2", "-nic", "none", "-uuid", id,
            "-qmp", $"unix:{Path.Combine(appliance.Folder, "qmp.sock")},server=on,wait=off",
            "-chardev", $"socket,id=agent,path={Path.Combine(appliance.Folder, "agent.sock")},server=on,wait=off",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-device", "virtio-rng-pci",
        ];
        foreach (string disk in new[] { "system", "data" })
        {
            line.AddRange(["-blockdev", new JsonObject
            {
                ["driver"] = "raw",
                ["node-name"] = disk,
                ["file"] = new JsonObject
                {
                    ["driver"] = "file",
                    ["filename"] = Path.Combine(appliance.Folder, disk + ".raw"),
                },
            }.ToJsonString()]);
            line.AddRange(["-device", $"virtio-blk-pci,drive={disk}" + (disk == "system" ? ",bootindex=1" : "")]);
        }
        _vm = Process.Start("qemu-system-x86_64", line);
        return id;
    }

    private void StopVM()
    {
        if (_vm is null) return;
        if (!_vm.HasExited) _vm.Kill();
        _vm.WaitForExit();
        _vm.Dispose();
        _vm = null;
    }

    /// <summary>Waits until the collector in the guest has written more than so many call records.</summary>
    private static async Task<long> WaitForRecordsAsync(IHypervisor live, string id, long more)
    {
        await using IGuest guest = await live.Require<IGuestChannel>("guest channel")
            .OpenAsync(id, null, TimeSpan.FromMinutes(4), default);
        GuestCommandResult said = await guest.RunAsync(new GuestCommand
        {
            Arguments = ["/bin/sh", "-c", "natalia-cli cdr count --day 2000-01-01 > /dev/null || exit; "
                + $"until [ $({CountOfLive}) -gt {more} ]; do sleep 1; done; {CountOfLive}"],
            Timeout = TimeSpan.FromMinutes(3),
        }, default);
        Assert.True(said.ExitCode == 0, said.Error);
        return long.Parse(said.Output, CultureInfo.InvariantCulture);
    }

    private EngineSession.Result Run(string script, params object?[] arguments)
    {
        EngineSession.Result result = _session.Run(script, arguments);
        Assert.True(result.Errors.Count == 0, string.Join("\n", result.Errors.Select(e => e.ToString())));
        return result;
    }

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "cmdline"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
