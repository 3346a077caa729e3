using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Backups;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Restores;

/// <summary>Isolated VMs for restore tests.</summary>
internal sealed class TestBenchService(ProxmoxCluster cluster, RestoreService restore, IGuestChannel channel)
    : ITestBench,
    ITestVMControl
{
    public async Task<ITestVM> PrepareAsync(
        RestoreSource from, TestVMRequest request, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        if (from is not RestoreSource.NativePoint { Point: RestorePoint point })
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"'{cluster.Location}' makes VMs of points in its own storages only; the restore point {from.Point} "
                + "lies elsewhere.",
                from.Point.RestorePointId);
        var points = new StoredPoints(cluster);
        StoredPoint stored = await points.FindAsync(point, cancellationToken).ConfigureAwait(false);
        GuestConfig archived = await ProxmoxRepository.ReadArchivedConfigAsync(cluster, stored,
            cancellationToken).ConfigureAwait(false);
        string? preferred =
            (await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(
                g => g.Vmid == stored.Vmid)?.Node;
        string node = await restore.ChooseNodeAsync(stored, request.Placement.VMHost, preferred,
            request.Placement.Storage, archived, cancellationToken).ConfigureAwait(false);
        await restore.CheckNetworksAsync(node, [request.IsolatedNetwork], cancellationToken).ConfigureAwait(false);
        DateTime now = cluster.UtcNow;
        // Whole seconds, as the mark tells them to whoever finds the VM.
        var mark = new TestVMMark(request.RunId, request.IsolatedNetwork,
            now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond)));
        var plan = new RestorePlan
        {
            Node = node,
            Storage = request.Placement.Storage,
            Pool = request.Placement.Group,
            Name = request.Name,
            Description = $"Restore test of {stored.Volid}. It is destroyed when the test ends.\n{mark}",
            OnBoot = false,
            MemoryMib = request.MemoryBytes is long bytes ? Math.Max(16, bytes >> 20) : null,
            // Said in the restore call, these hold before the configuration exists: there is no moment with a live
            // network.
            Adapters = archived.Networks.ToDictionary(n => n.Key,
                n => $"{GuestDescriber.Model(n.Value)},bridge={request.IsolatedNetwork},link_down=1"),
            Timeout = request.Timeout,
        };
        await restore.CheckRightsAsync(plan, false, cancellationToken).ConfigureAwait(false);
        (string vmid, _) = await restore.RunAsync(stored, plan, progress, cancellationToken).ConfigureAwait(false);
        var made = new TestVMInfo
        {
            NativeId = vmid,
            Name = request.Name,
            RunId = request.RunId,
            IsolatedNetwork = request.IsolatedNetwork,
            CreatedUtc = mark.CreatedUtc,
        };
        try
        {
            await DetachHostDevicesAsync(vmid, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            if (await FailedTestVM.DestroyAsync(this, made, failure).ConfigureAwait(false) is NataliaException left)
                throw left;
            throw;
        }
        return new TestVM(this, channel, made, isKept: false);
    }

    public async Task<IReadOnlyList<ITestVM>> FindAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<TestVMInfo> there = await ListAsync(cancellationToken).ConfigureAwait(false);
        return PartialCollection.Of<ITestVM>([.. there.Select(i => new TestVM(this, channel, i, isKept: true))],
            PartialCollection.UnseenOf(there));
    }

    public Task<IReadOnlyList<TestVMInfo>> GetTestVMsAsync(CancellationToken cancellationToken) =>
        ListAsync(cancellationToken);

    public async Task<IReadOnlyList<CheckResult>> ReadIsolationAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(vm.NativeId, cancellationToken).ConfigureAwait(false);
        ClusterGuest guest = await cluster.GetGuestAsync(vm.NativeId, cancellationToken).ConfigureAwait(false);
        var checks = new List<CheckResult>();
        bool isConnected = false;
        foreach (KeyValuePair<string, PropertyString> adapter in config.Networks)
        {
            string? bridge = adapter.Value["bridge"];
            bool linkDown = JsonTolerance.ParseFlag(adapter.Value["link_down"]) == true;
            bool good = bridge == vm.IsolatedNetwork && linkDown;
            isConnected |= !linkDown;
            Add("NetworkIsolation", adapter.Key, good, $"on {vm.IsolatedNetwork}, link down",
                $"on {bridge ?? "(none)"}, link {(linkDown ? "down" : "up")}");
        }
        foreach (string device in config.PassedThrough.Where(IsHostDevice(config)))
            Add("HostDevice", device, false, "none", config[device]);
        foreach (string hook in new[] { "hookscript", "args" })
            if (config[hook] is string value) Add("HostDevice", hook, false, "none", value);
        Add("StartsOnBoot", guest.Name, JsonTolerance.ParseFlag(config["onboot"]) != true, "no",
            JsonTolerance.ParseFlag(config["onboot"]) == true ? "yes" : "no");
        Add("TestMark", guest.Name, TestVMMark.Parse(config.Description)?.RunId == vm.RunId, vm.RunId,
            TestVMMark.Parse(config.Description)?.RunId ?? "none");
        IReadOnlyDictionary<string, string?> networks = await restore.GetNetworksAsync(guest.Node,
            cancellationToken).ConfigureAwait(false);
        if (networks.TryGetValue(vm.IsolatedNetwork, out string? ports) && !string.IsNullOrEmpty(ports))
            checks.Add(IsolationReading.Of("IsolatedNetwork", vm.IsolatedNetwork,
                isConnected ? CheckOutcome.Failed : CheckOutcome.Warning, "no ports", ports,
                $"The network '{vm.IsolatedNetwork}' on node '{guest.Node}' has ports; "
                    + (isConnected
                        ? "an adapter of the test VM is connected, and would reach them."
                        : "only the adapters' links being down keeps the test VM off them.")));
        return checks;

        void Add(string name, string what, bool isProven, string? expected, string? actual) =>
            checks.Add(IsolationReading.Of(name, $"VM {vm.NativeId} {what}", isProven, expected, actual));
    }

    public async Task StartTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        TaskOutcome outcome = await cluster.RunAtGuestAsync(vm.NativeId, $"The start of the test VM {vm.NativeId}",
            TimeSpan.FromMinutes(5), new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(15) },
            g => cluster.Client.PostAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vm.NativeId}/status/start"), null,
                cancellationToken, new RequiredRight("VM.PowerMgmt", $"/vms/{vm.NativeId}")),
            cancellationToken).ConfigureAwait(false);
        outcome.ThrowUnlessDone($"The start of the test VM {vm.NativeId}");
    }

    public async Task DestroyTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        string vmid = vm.NativeId;
        ClusterGuest? guest =
            (await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(g => g.Vmid == vmid);
        if (guest is null)
        {
            // Not seen is not gone.
            if ((await cluster.GetRightsAsync(cancellationToken).ConfigureAwait(false)).Has($"/vms/{vmid}", "VM.Audit"))
                return;
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"Whether the test VM {vmid} is still there is not known: '{cluster.Client.User}' may not see it. "
                + $"Missing: VM.Audit on /vms/{vmid}.",
                $"/vms/{vmid}",
                $"Give the account the right, or look at VM {vmid} on the cluster and remove it there.");
        }
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        if (TestVMMark.Parse(config.Description)?.RunId != vm.RunId)
            throw new NataliaException(ErrorIds.NotATestAppliance, NataliaErrorKind.Security,
                $"VM {vmid} ('{guest.Name}') does not carry the mark of the test {vm.RunId}, and is not destroyed.",
                vmid, "Look at what this VM is; its number may have been given to another one.");
        // One that was started a moment ago is still off in the overview, and would be left standing.
        if (await cluster.GetPowerAsync(vmid, cancellationToken).ConfigureAwait(false) != "stopped")
        {
            TaskOutcome stopped = await cluster.RunAtGuestAsync(vmid, $"The stop of the test VM {vmid}",
                TimeSpan.FromMinutes(5), new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(10) },
                g => cluster.Client.PostAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/status/stop"), null,
                    cancellationToken, new RequiredRight("VM.PowerMgmt", $"/vms/{vmid}")),
                cancellationToken).ConfigureAwait(false);
            stopped.ThrowUnlessDone($"The stop of the test VM {vmid}");
        }
        // Only the disks that its configuration names go: the option for unreferenced ones takes whatever carries the
        // number, on any storage.
        TaskOutcome outcome = await cluster.RunAtGuestAsync(vmid, $"The removal of the test VM {vmid}",
            TimeSpan.FromMinutes(5), new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(30) },
            g => cluster.Client.DeleteAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}"),
                new ApiArguments { { "purge", true } }, cancellationToken,
                new RequiredRight("VM.Allocate", $"/vms/{vmid}")),
            cancellationToken).ConfigureAwait(false);
        outcome.ThrowUnlessDone($"The removal of the test VM {vmid}");
    }

    /// <param name="onUnreadable">Told of what is called like a test VM and cannot be read now, as on a node that is
    /// down; or null.</param>
    internal async Task<IReadOnlyList<TestVMInfo>> ListAsync(CancellationToken cancellationToken,
        Action<ClusterGuest, NataliaException>? onUnreadable = null)
    {
        var found = new List<TestVMInfo>();
        IReadOnlyList<ClusterGuest> guests =
            await cluster.GetVisibleGuestsAsync(cancellationToken).ConfigureAwait(false);
        // What is being restored has neither its name nor its mark yet, and what the overview has forgotten none any
        // more: either may be a test VM.
        List<string> unseen = [.. guests.Where(g => g.KnownName is null || g.Lock == "create")
            .Select(g => $"VM {g.Vmid} on node '{g.Node}'")];
        // The name spares a request for each other VM; the mark alone decides. Who renames a test VM has taken it over.
        foreach (ClusterGuest guest in guests
            .Where(g => g.Name.StartsWith(TestVMRequest.NamePrefix, StringComparison.Ordinal)))
        {
            (GuestConfig? config, NataliaException? problem) = await cluster.TryGetConfigAsync(guest,
                cancellationToken).ConfigureAwait(false);
            if (problem is not null)
            {
                unseen.Add($"VM {guest.Vmid} ('{guest.Name}') on node '{guest.Node}'");
                onUnreadable?.Invoke(guest, problem);
            }
            if (config is not null && TestVMMark.Parse(config.Description) is { } mark)
                found.Add(new TestVMInfo
                {
                    NativeId = guest.Vmid,
                    Name = guest.Name,
                    RunId = mark.RunId,
                    IsolatedNetwork = mark.Network,
                    CreatedUtc = mark.CreatedUtc,
                });
        }
        return PartialCollection.Of(found, unseen);
    }

    /// <summary>
    /// Options cannot be removed in the restore call itself, so devices of the host go before the first start.
    /// </summary>
    private async Task DetachHostDevicesAsync(string vmid, CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        var remove = config.PassedThrough.Where(IsHostDevice(config)).ToList();
        if (config["hookscript"] is not null) remove.Add("hookscript");
        if (remove.Count == 0) return;
        await cluster.AtGuestAsync(vmid,
            g => cluster.Client.PutAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/config"),
                new ApiArguments { { "delete", string.Join(",", remove) }, { "digest", config.Digest } },
                cancellationToken, new RequiredRight("VM.Config.HWType", $"/vms/{vmid}")),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A serial port that is a socket, and a USB port of the console, are no devices of the host.</summary>
    private static Func<string, bool> IsHostDevice(GuestConfig config) =>
        key => config[key] is not ("socket" or "spice")
            && !(config[key]?.StartsWith("spice", StringComparison.Ordinal) ?? false);
}
