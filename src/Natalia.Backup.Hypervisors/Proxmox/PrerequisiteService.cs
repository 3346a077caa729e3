using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Backups;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Jobs;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.Hypervisors.Proxmox.Restores;

namespace Natalia.Backup.Hypervisors.Proxmox;

/// <summary>Everything that would fail later, asked beforehand. Changes nothing.</summary>
internal sealed class PrerequisiteService(
    ProxmoxCluster cluster, GuestAgentService agent, SnapshotService snapshots, JobService jobs,
    ReplicationService replication, RestoreService restore,
    TestBenchService testBench) : IPrerequisites
{
    private static readonly Version s_oldest = new(8, 0);

    public async Task<IReadOnlyList<CheckResult>> TestPrerequisitesAsync(
        ApplianceDescription? appliance, PrerequisiteRequest request, CancellationToken cancellationToken)
    {
        string? vmid = appliance is null ? null : ProxmoxCluster.VmidOf(appliance);
        var checks = new CheckList { ApplianceId = vmid is null ? null : cluster.ApplianceIdOf(vmid) };
        RightsMap rights = await cluster.GetRightsAsync(cancellationToken).ConfigureAwait(false);
        checks.Add("ServerVersion", cluster.Location,
            cluster.Version >= s_oldest ? CheckOutcome.Passed : CheckOutcome.Warning,
            "8.0 or newer", cluster.Version.ToString());

        IReadOnlyList<StorageInfo> all = await cluster.GetStoragesAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<string> storages = request.Storages
            ?? await ReadScheduledStoragesAsync(vmid, rights, cancellationToken).ConfigureAwait(false);
        foreach (string storage in storages) CheckStorage(storage);
        foreach (string storage in storages)
        {
            Right($"/storage/{storage}", "to see the storage at all", "Datastore.Audit");
            Right($"/storage/{storage}", "to back up and to list points", "Datastore.AllocateSpace",
                "Datastore.Allocate");
            Right($"/storage/{storage}", "to add a point by hand without pruning others, and for schedules",
                "Datastore.Allocate");
        }
        foreach (string node in await cluster.GetOfflineNodesAsync(cancellationToken).ConfigureAwait(false))
            checks.Add("Node", node, CheckOutcome.Warning, "up", "down",
                $"The node '{node}' is down: of its VMs and its local storages nothing is known.");
        Right("/", "to read schedules and coverage", "Sys.Audit");
        Right("/", "to change schedules", "Sys.Modify");
        if (vmid is not null) await CheckApplianceAsync(vmid).ConfigureAwait(false);
        if (request.IsolatedNetwork is not null)
            await CheckTestBenchAsync(vmid, request.IsolatedNetwork).ConfigureAwait(false);
        return checks.All;

        void Right(string path, string why, params string[] anyOf)
        {
            bool has = rights.Has(path, anyOf);
            checks.Add("Right", $"{string.Join(" or ", anyOf)} on {path}",
                has ? CheckOutcome.Passed : CheckOutcome.Failed,
                "granted", has ? "granted" : "missing",
                has ? null : $"'{cluster.Client.User}' needs {string.Join(" or ", anyOf)} on {path} {why}.",
                ErrorIds.PermissionDenied);
        }

        // A backup does without these, and an account for backups alone is a good thing to have: so they are told, and
        // fail nothing.
        void RestoreRight(string path, string privilege)
        {
            bool has = rights.Has(path, privilege);
            checks.Add("RestoreRight", $"{privilege} on {path}", has ? CheckOutcome.Passed : CheckOutcome.Warning,
                "granted",
                has ? "granted" : "missing",
                has ? null : $"'{cluster.Client.User}' needs {privilege} on {path} to restore to a new VM and to see "
                    + "it then (on a pool for test VMs).");
        }

        void CheckStorage(string name)
        {
            StorageInfo? storage = all.FirstOrDefault(s => s.Name == name);
            if (storage is null)
            {
                bool maySee = rights.Has($"/storage/{name}", "Datastore.Audit");
                checks.Add("Storage", name, CheckOutcome.Failed, "there", maySee ? "not there" : "not to be seen",
                    maySee ? $"'{cluster.Location}' has no storage '{name}'." : $"'{cluster.Client.User}' sees no "
                        + $"storage '{name}': Datastore.Audit on /storage/{name} is missing.",
                    maySee ? ErrorIds.StorageNotFound : ErrorIds.PermissionDenied);
                return;
            }
            checks.Add("Storage", name,
                storage.TakesBackups && storage.Nodes.Count > 0 ? CheckOutcome.Passed : CheckOutcome.Failed,
                "takes backups, active",
                $"{(storage.TakesBackups ? "takes backups" : "takes no backups")}, active on "
                + $"{(storage.Nodes.Count == 0 ? "no node" : string.Join(", ", storage.Nodes))}",
                null, ErrorIds.StorageNotSuitable);
            bool away = storage.IsShared;
            checks.Add("OffHost", name, away ? CheckOutcome.Passed : CheckOutcome.Warning, "off the host",
                away ? "shared" : "local to the node",
                away ? null : $"The storage '{name}' ({storage.Kind}) lies on the node itself: a point there goes "
                    + "down with the host.");
        }

        async Task CheckApplianceAsync(string id)
        {
            bool isNine = cluster.Version.Major is 0 or >= 9;
            string path = $"/vms/{id}";
            Right(path, "to see the VM", "VM.Audit");
            Right(path, "to back it up, and to see its points", "VM.Backup");
            Right(path, "for snapshots", "VM.Snapshot");
            Right(path, "for points of the data disk alone", "VM.Config.Disk");
            Right(path, "to keep marks in the VM's notes", "VM.Config.Options");
            Right(path, "to ask the guest agent",
                isNine ? ["VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted"] : ["VM.Monitor"]);
            ClusterGuest guest = await cluster.GetGuestAsync(id, cancellationToken).ConfigureAwait(false);
            foreach (string privilege in new[] { "VM.Allocate", "VM.Audit", "VM.Config.Options", "VM.Config.Network" })
                RestoreRight("/vms", privilege);
            (GuestConfig? config, NataliaException? problem) = await cluster.TryGetConfigAsync(guest,
                cancellationToken).ConfigureAwait(false);
            if (config is null)
            {
                checks.Add("VmReadable", guest.Name, CheckOutcome.Failed, "can be read", "cannot be read",
                    problem?.Message ?? cluster.NotFound(id).Message, problem?.ErrorId ?? ErrorIds.ApplianceNotFound);
                await CheckCoverageAsync(id, guest).ConfigureAwait(false);
                return;
            }
            checks.Add("Lock", guest.Name, guest.Lock is null ? CheckOutcome.Passed : CheckOutcome.Warning, "free",
                guest.Lock ?? "free", guest.Lock is null ? null : $"VM {id} is held by '{guest.Lock}' now.");
            await CheckAgentAsync(id, guest, config).ConfigureAwait(false);
            CheckDisks(id, guest, config);
            await CheckSnapshotsAsync(id, guest).ConfigureAwait(false);
            await CheckCoverageAsync(id, guest).ConfigureAwait(false);
            if (request.ReplicationTarget is string target)
            {
                Right(isNine ? path : "/storage", "for replication", isNine ? "VM.Replicate" : "Datastore.Allocate");
                checks.AddRange(await replication.TestAsync(id, target, cancellationToken).ConfigureAwait(false));
            }
        }

        async Task CheckAgentAsync(string id, ClusterGuest guest, GuestConfig config)
        {
            if (!config.IsAgentEnabled)
            {
                checks.Add("GuestAgent", guest.Name, CheckOutcome.Warning, "answers", "not enabled",
                    "Without the guest agent a backup is as after a power cut. Switch on 'QEMU Guest Agent' in the "
                    + "VM's options and install qemu-guest-agent.");
                return;
            }
            if (!config.IsFreezeAllowed)
                checks.Add("Freeze", guest.Name, CheckOutcome.Warning, "allowed", "switched off",
                    "The agent option forbids freezing, so a backup is as after a power cut.");
            if (!guest.IsRunning)
            {
                checks.Add("GuestAgent", guest.Name, CheckOutcome.NotEvidenced, "answers", "the VM is switched off");
                return;
            }
            try
            {
                GuestAgentState state = await agent.PingAsync(id, cancellationToken).ConfigureAwait(false);
                checks.Add("GuestAgent", guest.Name,
                    state == GuestAgentState.Running ? CheckOutcome.Passed : CheckOutcome.Warning, "answers",
                    state == GuestAgentState.Running ? "answers" : "does not answer",
                    state == GuestAgentState.Running
                        ? null
                        : "A backup now would be as after a power cut. Look whether qemu-guest-agent runs in the "
                            + "guest.");
            }
            catch (ApiException e) when (e.ErrorId == ErrorIds.PermissionDenied)
            {
                checks.Add("GuestAgent", guest.Name, CheckOutcome.NotEvidenced, "answers", "may not be asked",
                    e.Message);
            }
        }

        void CheckDisks(string id, ClusterGuest guest, GuestConfig config)
        {
            string? boot = config.BootDrive;
            var others = config.Disks.Where(d => d.Key != boot).ToList();
            string? stated = EnrolmentMark.Parse(config.Description, id).Select(m => m.DataDisk)
                .FirstOrDefault(d => d is not null && config.Disks.Any(c => c.Key == d));
            checks.Add("DataDisk", guest.Name,
                others.Count == 1 || stated is not null ? CheckOutcome.Passed : CheckOutcome.Warning,
                "one disk besides the boot disk, or a stated one",
                stated ?? (others.Count == 0 ? "none" : string.Join(", ", others.Select(d => d.Key))),
                others.Count == 1 || stated is not null
                    ? null
                    : "Which disk holds the data must be said: Set-NataliaAppliance -DataDisk.");
            LeftOutMark? mark = LeftOutMark.Parse(config.Description);
            foreach (GuestDrive drive in config.Disks)
                checks.Add("DiskIncluded", drive.Key,
                    drive.IsBackedUp
                        ? CheckOutcome.Passed
                        : drive.Key == boot && mark is null && others.Count > 0
                            ? CheckOutcome.Warning
                            : CheckOutcome.Failed,
                    "in every backup", drive.IsBackedUp ? "in every backup" : "excluded (backup=0)",
                    drive.IsBackedUp
                        ? null
                        : mark is not null
                            ? $"Run {mark.RunId} has left it out since {mark.SinceUtc:yyyy-MM-dd HH:mm:ss} UTC and "
                                + "has not put it back; the next Invoke-NataliaBackup repairs that, unless the run is "
                                + "still on its way."
                            : "Its own setting keeps it out of every backup.",
                    ErrorIds.DiskExcluded);
        }

        async Task CheckSnapshotsAsync(string id, ClusterGuest guest)
        {
            var left = (await snapshots.ListAsync(id, cancellationToken).ConfigureAwait(false))
                .Where(s => s.IsOwn && cluster.UtcNow - s.TimeUtc > TimeSpan.FromDays(1))
                .ToList();
            checks.Add("LeftoverSnapshot", guest.Name, left.Count == 0 ? CheckOutcome.Passed : CheckOutcome.Warning,
                "none older than a day", left.Count == 0 ? "none" : string.Join(", ", left.Select(s => s.SnapshotId)),
                left.Count == 0 ? null : "Remove them with Remove-NataliaSnapshot: they grow, and slow the disk down.");
        }

        async Task CheckCoverageAsync(string id, ClusterGuest guest)
        {
            if (!rights.Has("/", "Sys.Audit"))
            {
                checks.Add("Coverage", guest.Name, CheckOutcome.NotEvidenced, "in a schedule", "may not be asked");
                return;
            }
            JsonElement missing = (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/backup-info/not-backed-up"),
                cancellationToken).ConfigureAwait(false)).Data;
            bool covered = missing.Items().All(g => g.Text("vmid") != id);
            checks.Add("Coverage", guest.Name, covered ? CheckOutcome.Passed : CheckOutcome.Warning, "in a schedule",
                covered ? "in a schedule" : "in no schedule",
                covered ? null : $"No backup job takes VM {id}. Make one with Register-NataliaSchedule.");
        }

        async Task CheckTestBenchAsync(string? id, string network)
        {
            ClusterGuest? guest = id is null
                ? null
                : await cluster.GetGuestAsync(id, cancellationToken).ConfigureAwait(false);
            JsonElement nodes = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes"),
                cancellationToken).ConfigureAwait(false)).Data;
            bool isVirtual = false;
            foreach (string node in guest is not null
                ? [guest.Node]
                : nodes.Items().Where(n => n.Text("status") == "online").Select(n => n.Text("node")).OfType<string>())
            {
                IReadOnlyDictionary<string, string?> networks;
                try
                {
                    networks = await restore.GetNetworksAsync(node, cancellationToken).ConfigureAwait(false);
                }
                catch (ApiException e) when (e.IsSilentNode)
                {
                    checks.Add("IsolatedNetwork", $"{network} on {node}", CheckOutcome.NotEvidenced,
                        "there, without ports",
                        "the node does not answer", e.Message);
                    continue;
                }
                bool there = networks.TryGetValue(network, out string? ports);
                isVirtual |= there && ports is null;
                checks.Add("IsolatedNetwork", $"{network} on {node}",
                    !there ? CheckOutcome.Failed : string.IsNullOrEmpty(ports)
                        ? CheckOutcome.Passed
                        : CheckOutcome.Warning,
                    "there, without ports",
                    !there ? RestoreService.MaySeeNetwork(rights, network)
                        ? "not there"
                        : "not there, or hidden"
                        : string.IsNullOrEmpty(ports) ? "there, without ports" : $"ports {ports}",
                    !there && !RestoreService.MaySeeNetwork(rights, network)
                        ? $"The account sees a network only with SDN.Use on {RestoreService.NetworkPath(network)}."
                        : there && !string.IsNullOrEmpty(ports)
                            ? "Only the adapters' links being down would keep a test VM off these ports."
                            : null,
                    ErrorIds.NetworkNotFound);
            }
            Right("/vms", "to make and destroy test VMs (a pool will do as well)", "VM.Allocate");
            Right("/vms", "to see them (a pool will do as well)", "VM.Audit");
            Right("/vms", "to start and stop them (a pool will do as well)", "VM.PowerMgmt");
            // The zone of a virtual network is not known here.
            if (!isVirtual)
                Right(RestoreService.NetworkPath(network), "to connect test VMs to the isolated network", "SDN.Use");
            var left = (await testBench.ListAsync(cancellationToken,
                (unread, trouble) => checks.Add("LeftoverTestAppliance", unread.Name, CheckOutcome.NotEvidenced, "none",
                    "cannot be read", trouble.Message)).ConfigureAwait(false))
                .ToList();
            checks.Add("LeftoverTestAppliance", cluster.Location,
                left.Count == 0 ? CheckOutcome.Passed : CheckOutcome.Warning,
                "none", left.Count == 0 ? "none" : string.Join(", ", left.Select(t => $"{t.NativeId} ({t.Name})")));
        }
    }

    private async Task<IReadOnlyList<string>> ReadScheduledStoragesAsync(string? vmid, RightsMap rights,
        CancellationToken cancellationToken)
    {
        if (!rights.Has("/", "Sys.Audit")) return [];
        IReadOnlyList<NativeSchedule> schedules = await jobs.ListAsync(vmid, cancellationToken).ConfigureAwait(false);
        return [.. schedules.Select(j => j.Storage).OfType<string>().Distinct()
            .OrderBy(s => s, StringComparer.Ordinal)];
    }
}
