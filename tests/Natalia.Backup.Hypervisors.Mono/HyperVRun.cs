using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.HyperV.Guests;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.Mono;

/// <summary>
/// What the product does with a Hyper-V host, from the connection to the end of a test VM, against the tests' simulated
/// one. Writes what it saw, a line each.
/// </summary>
internal static class HyperVRun
{
    /// <param name="port">Where the simulated host listens.</param>
    /// <param name="root">The folder that holds the host's files.</param>
    internal static async Task RunAsync(int port, string root)
    {
        var gateway = new WireGateway(port);
        var way = new GuestWay(new NearDialer(Path.Combine(root, "pool")),
            () => [new LocalInterface("vEthernet (nowhere)", 0, [(IPAddress.Parse("192.168.200.1"), 24)])]);
        using HyperVHypervisor hypervisor = await HyperVHypervisor.ConnectAsync("hv1",
            name => new HyperVHost(name, gateway, new Files(root), TimeProvider.System), default, way);
        ApplianceDescription vm = (await hypervisor.GetAppliancesAsync(default)).Single();
        Console.WriteLine($"vm {vm.Name} {string.Join(",", vm.Disks.Select(d => $"{d.DiskId}={d.SizeBytes}"))} "
            + string.Join(",", vm.Networks));
        IReadOnlyList<CheckResult> checks = await hypervisor.TestPrerequisitesAsync(vm,
            new PrerequisiteRequest { IsolatedNetwork = "nowhere" }, default);
        Console.WriteLine($"checks {checks.Count(c => c.Result == CheckOutcome.Passed)} of {checks.Count}");

        await ReplicateAsync(hypervisor, vm);
        Console.WriteLine($"guest at {(await hypervisor.FindGuestAsync(vm, default)).Single()}");

        (string token, byte[] disk) = await BackUpAsync(hypervisor, vm, new string('1', 32), null);
        await gateway.SayAsync("write");
        (_, disk) = await BackUpAsync(hypervisor, vm, new string('2', 32), token);

        ITestBench bench = ((IHypervisor)hypervisor).Require<ITestBench>("bench");
        var point = new RestorePoint
        {
            RestorePointId = new string('b', 32),
            ApplianceId = vm.ApplianceId,
            ApplianceName = vm.Name,
            RepositoryId = new string('c', 32),
            Repository = "nas",
            RepositoryKind = "Folder",
            TimeUtc = DateTime.UtcNow,
        };
        var source = new RestoreSource.PointImage(point, vm with { Disks = [vm.Disks[0]] },
            async (_, target, _, stop) =>
            {
                await target.BeginAsync(disk.Length, stop);
                await target.WriteAsync(0, disk, stop);
                await target.CompleteAsync(stop);
            });
        ITestVM test = await bench.PrepareAsync(source, new TestVMRequest { IsolatedNetwork = "nowhere" }, null,
            default);
        await gateway.SayAsync("built");
        IReadOnlyList<CheckResult> isolation = await test.ProveIsolationAsync(default);
        Console.WriteLine($"isolation {isolation.Count(c => c.Result == CheckOutcome.Passed)} of {isolation.Count}");
        await test.StartAsync(default);
        await gateway.SayAsync("started");
        IGuest guest = await test.OpenGuestAsync(null, TimeSpan.FromMinutes(1), default);
        GuestCommandResult ran = await guest.RunAsync(new GuestCommand { Arguments = ["/bin/echo", "a b"] },
            default);
        Console.WriteLine($"guest {ran.ExitCode} {ran.Output.Trim()}");
        await guest.DisposeAsync();
        await test.DestroyAsync(default);
        Console.WriteLine($"left {(await bench.FindAsync(default)).Count}");
    }

    private static async Task ReplicateAsync(HyperVHypervisor hypervisor, ApplianceDescription vm)
    {
        ReplicationState set = await hypervisor.SetReplicationAsync(vm, new ReplicationRequest { TargetVMHost = "hv2" },
            default);
        Console.WriteLine($"replication {set.SourceVMHost} {set.TargetVMHost} {set.IntervalMinutes} "
            + (await hypervisor.GetReplicationsAsync(null, default)).Count);
        await hypervisor.RemoveReplicationAsync(set.ReplicationId, keepReplica: true, default);
        Console.WriteLine($"replications {(await hypervisor.GetReplicationsAsync(null, default)).Count}");
    }

    /// <returns>The tracking token of the first disk, and its bytes.</returns>
    private static async Task<(string Token, byte[] Disk)> BackUpAsync(HyperVHypervisor hypervisor,
        ApplianceDescription vm, string runId, string? since)
    {
        string first = vm.Disks[0].DiskId;
        IFrozenDisks frozen = await hypervisor.FreezeAsync(vm, new FreezeRequest
        {
            DiskIds = [.. vm.Disks.Select(d => d.DiskId)],
            RunId = runId,
            RepositoryId = new string('a', 32),
            HistoryId = new string('b', 32),
        }, default);
        byte[] disk = [];
        string changes = "everything";
        foreach (ApplianceDisk one in vm.Disks)
        {
            IDiskSource source = frozen.GetDisk(one.DiskId);
            byte[] bytes = new byte[source.SizeBytes];
            await source.ReadAsync(0, bytes, default);
            using SHA256 hash = SHA256.Create();
            Console.WriteLine($"disk {one.DiskId} {BitConverter.ToString(hash.ComputeHash(bytes)).Replace("-", "")}");
            if (one.DiskId != first) continue;
            disk = bytes;
            if (since is null) continue;
            ChangedExtents changed = await ((IChangeTrackingSource)source).GetChangedExtentsAsync(since, default);
            changes = changed.Extents is null ? changed.Reason!
                : string.Join(",", changed.Extents.Select(e => $"{e.Offset}+{e.Length}"));
        }
        Console.WriteLine($"changed {changes}");
        Console.WriteLine("attachments " + string.Join(",", (await ((IFrozenAttachments)frozen).ReadAttachmentsAsync(
            default)).Select(a => $"{a.Name}={a.Content.Length}")));
        IReadOnlyDictionary<string, string> tokens = await frozen.SealAsync(default);
        await frozen.PublishedAsync(default);
        await frozen.DisposeAsync();
        return (tokens[first], disk);
    }

    /// <summary>
    /// Takes this machine for the guest. Not over SSH: Mono's sockets for both kinds of addresses connect to no name,
    /// and SSH.NET's asynchronous way is that one.
    /// </summary>
    private sealed class NearDialer(string items) : IGuestDialer
    {
        public void Check(GuestCredential? who, string nativeId) { }

        public Task<IGuest> DialAsync(string address, string nativeId, GuestCredential? who, TimeSpan timeout,
            CancellationToken cancellationToken) => address == "192.168.200.7"
                ? Task.FromResult<IGuest>(new Guest(items))
                : throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Connection, address);
    }

    /// <summary>This machine as a guest: what the host told it lies in a file of the tests.</summary>
    private sealed class Guest(string items) : IGuest
    {
        public Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken)
        {
            string[] words = [.. command.Arguments.Select(a => a == GuestChannel.HostItems ? items : a)];
            using Process process = Process.Start(new ProcessStartInfo(words[0],
                string.Join(" ", words.Skip(1).Select(w => $"\"{w}\"")))
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
            });
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return Task.FromResult(new GuestCommandResult(process.ExitCode, null, output, "", false, TimeSpan.Zero));
        }

        public ValueTask DisposeAsync() => default;
    }

    private sealed class Files(string root) : IHostFiles
    {
        public string ToLocal(string hostPath) => Path.Combine([root, .. hostPath.Replace(":", "")
            .Split(['\\'], StringSplitOptions.RemoveEmptyEntries)]);
    }
}
