using System.Globalization;
using System.Security.Cryptography;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>
/// The build that Windows PowerShell 5.1 loads, run by Mono: its calls go to the simulated host in this process, its
/// files are the same ones.
/// </summary>
[Trait("Category", "SecondRuntime")]
public sealed class HyperVMonoTests
{
    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "mono",
        "Natalia.Backup.Hypervisors.Mono.exe");

    [MonoFact]
    public void A_vm_is_replicated_backed_up_twice_built_again_tested_and_destroyed()
    {
        using var root = new TemporaryFolder();
        var host = new SimHost("hv1", root.Path, TimeProvider.System)
        {
            JobTime = TimeSpan.Zero,
            MergeTime = TimeSpan.Zero,
        };
        var machine = new SimMachine("natalia-01");
        machine.Adapters.Add(new SimAdapter { SwitchId = host.AddSwitch("LAN"), Vlan = 12 });
        host.AddSwitch("nowhere", isInternal: true);
        host.ReplicaServers.Add("hv2");
        host.WriteFiles(machine, new byte[1000], new byte[2000]);
        host.Machines.Add(machine);
        host.NewDisk(machine, 0, HyperVFixture.Bytes(1 << 20, 1));
        host.NewDisk(machine, 1, HyperVFixture.Bytes(585 * 512, 2));
        string before = Hash(host.Content(machine, 0));
        SimMachine? test = null;
        ushort state = 0;
        using var server = new SimServer(host, word =>
        {
            if (word == "write") host.Write(machine, 0, 8192, [1, 2, 3]);
            if (word == "built") test = host.Machines[1];
            if (word != "started") return;
            state = test!.State;
            File.WriteAllLines(root["pool"], test.HostItems.Values);
        });
        (int code, string output, string errors) = Counterpart.Mono.Run(new Dictionary<string, string?>(), s_program,
            "hyperv", server.Port.ToString(CultureInfo.InvariantCulture), root.Path);

        Assert.True(code == 0, output + errors);
        Assert.Contains(".NETStandard,Version=v2.0", output, StringComparison.Ordinal);
        string[] lines = [.. output.Split('\n').Where(l => l.Length > 0 && l[0] != '#')];
        string other = Hash(host.Content(machine, 1));
        Assert.Equal(
        [
            "vm natalia-01 scsi0:0=1048576,scsi0:1=299520 LAN (VLAN 12)", "checks 21 of 21",
            "replication hv1 hv2 5 1", "replications 0", "guest at 192.168.200.7:22",
            $"disk scsi0:0 {before}", $"disk scsi0:1 {other}", "changed everything",
            "attachments configuration.vmcx=1000,guest-state.vmgs=2000",
            $"disk scsi0:0 {Hash(host.Content(machine, 0))}", $"disk scsi0:1 {other}", "changed 8192+4096",
            "attachments configuration.vmcx=1000,guest-state.vmgs=2000",
            "isolation 5 of 5", "guest 0 a b", "left 0",
        ], lines);
        Assert.Equal(2, state);
        Assert.Equal(host.Content(machine, 0), test!.Disks[0].Content());
        Assert.Equal([machine], host.Machines);
        Assert.Empty(machine.Snapshots);
        Assert.Single(machine.References);
        Assert.Empty(host.Violations);
    }

    private static string Hash(byte[] bytes) => Convert.ToHexString(SHA256.HashData(bytes));
}
