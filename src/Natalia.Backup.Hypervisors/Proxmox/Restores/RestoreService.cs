using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Proxmox.Backups;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Restores;

/// <summary>Builds VMs from restore points. Everything that must hold from the first moment is said in the restore call itself.</summary>
internal sealed class RestoreService(ProxmoxCluster cluster, PointCatalog points, LeftOutDisks leftOut)
{
    private const int MaximumNumbers = 5;
    private static readonly Regex s_progress = new(@"progress \d+% \(read (?<bytes>\d+) bytes", RegexOptions.CultureInvariant);

    /// <summary>Throws what would stand in the way of a restore. Only reads.</summary>
    internal Task CheckAsync(RestorePoint point, NativeRestoreRequest request, CancellationToken cancellationToken) => PrepareAsync(point, request, cancellationToken);

    internal async Task<NativeRestoreResult> RestoreAsync(RestorePoint point, NativeRestoreRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        (StoredPoint stored, RestorePlan plan) = await PrepareAsync(point, request, cancellationToken).ConfigureAwait(false);
        TimeProvider clock = cluster.Client.Clock;
        long watch = clock.GetTimestamp();
        (string vmid, IReadOnlyList<string> taskWarnings) = await RunAsync(stored, plan, progress, cancellationToken).ConfigureAwait(false);
        TimeSpan duration = clock.GetElapsedTime(watch);
        var warnings = new List<string>(taskWarnings);
        GuestConfig config = await TidyAsync(vmid, warnings, cancellationToken).ConfigureAwait(false);
        CheckAdapters(vmid, config, plan.Adapters);
        if (stored.Point.IsDataDiskOnly) warnings.Add($"The point holds the data disk alone: VM {vmid} has no system disk and cannot boot until one is attached.");
        if (request.Start)
        {
            TaskOutcome started = await cluster.RunAtGuestAsync(vmid, $"The start of VM {vmid}", TimeSpan.FromMinutes(5), new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(15) },
                g => cluster.Client.PostAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/status/start"), null, cancellationToken, new RequiredRight("VM.PowerMgmt", $"/vms/{vmid}")), cancellationToken).ConfigureAwait(false);
            started.ThrowUnlessDone($"The start of the restored VM {vmid}", "It is restored, but not running.");
        }
        ClusterGuest guest = await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
        return new NativeRestoreResult(GuestDescriber.Describe(cluster.ApplianceIdOf(vmid), vmid, config["name"] ?? guest.Name, config, guest), duration, warnings);
    }

    /// <summary>Looks at all that can be known before something is made.</summary>
    private async Task<(StoredPoint Stored, RestorePlan Plan)> PrepareAsync(RestorePoint point, NativeRestoreRequest request, CancellationToken cancellationToken)
    {
        StoredPoint stored = await points.FindAsync(point, cancellationToken).ConfigureAwait(false);
        GuestConfig archived = await ProxmoxRepository.ReadArchivedConfigAsync(cluster, stored, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ClusterGuest> guests = await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        ClusterGuest? original = guests.FirstOrDefault(g => g.Vmid == stored.Vmid);
        if (request.OverExisting) await CheckMayOverwriteAsync(stored, original, request, cancellationToken).ConfigureAwait(false);
        else CheckNameIsFree(stored, request.NewName ?? archived["name"], guests);
        string node = await ChooseNodeAsync(stored, request.OverExisting ? original!.Node : request.Node ?? original?.Node, request.Storage, cancellationToken).ConfigureAwait(false);
        IReadOnlyDictionary<string, string> adapters = await MapNetworksAsync(archived, request, node, cancellationToken).ConfigureAwait(false);
        if (!request.OverExisting && original is not null) await CheckNetworksAreChosenAsync(stored, original, archived, request, cancellationToken).ConfigureAwait(false);
        return (stored, new RestorePlan
        {
            Node = node,
            Vmid = request.OverExisting ? stored.Vmid : request.NativeId,
            OverExisting = request.OverExisting,
            Storage = request.Storage,
            Name = request.NewName,
            Adapters = adapters,
            Timeout = request.Timeout,
        });
    }

    /// <summary>Two VMs of one name cannot be told apart by any later command.</summary>
    private void CheckNameIsFree(StoredPoint stored, string? name, IReadOnlyList<ClusterGuest> guests)
    {
        if (name is null || guests.FirstOrDefault(g => string.Equals(g.Name, name, StringComparison.OrdinalIgnoreCase)) is not ClusterGuest taken) return;
        throw new NataliaException(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists, $"A VM is called '{name}' on '{cluster.Location}' already: VM {taken.Vmid} on node '{taken.Node}'. Nothing was restored.", name,
            taken.Vmid == stored.Vmid ? "Give the copy another name with -NewName, or say -OverExisting to replace the VM, which must be switched off." : "Give the restored VM another name with -NewName.");
    }

    /// <summary>While the VM itself exists, a copy of it in the same network is a second machine with the same addresses in it: that is done only when it is said.</summary>
    private async Task CheckNetworksAreChosenAsync(StoredPoint stored, ClusterGuest original, GuestConfig archived, NativeRestoreRequest request, CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(original.Vmid, cancellationToken).ConfigureAwait(false);
        // Younger than the point: another VM that got the number of one that is gone.
        if (config.CreatedUtc is DateTime created && created > stored.Point.TimeUtc) return;
        var used = new HashSet<string>(Bridges(config), StringComparer.Ordinal);
        var shared = Bridges(archived).Where(b => used.Contains(b) && !request.Networks.ContainsKey(b)).ToList();
        if (shared.Count == 0) return;
        throw new NataliaException(ErrorIds.NetworkChoiceRequired, NataliaErrorKind.InvalidOperation,
            $"VM {original.Vmid} ('{original.Name}') exists and is connected to {string.Join(", ", shared.Select(b => $"'{b}'"))}, and so would be the copy, with the same addresses in its guest system. Nothing was restored.", stored.Point.RestorePointId,
            $"Say which network the copy gets: -Network @{{ {string.Join("; ", shared.Select(b => $"'{b}' = 'ANOTHER'"))} }}. Where the same one is meant, name it: -Network @{{ {string.Join("; ", shared.Select(b => $"'{b}' = '{b}'"))} }}.");
    }

    private static IEnumerable<string> Bridges(GuestConfig config) => config.Networks.Select(n => n.Value["bridge"]).OfType<string>().Distinct();

    /// <summary>Asks the server for the restore and waits. What a failed one leaves of a new VM is destroyed.</summary>
    internal async Task<(string Vmid, IReadOnlyList<string> Warnings)> RunAsync(StoredPoint stored, RestorePlan plan, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        for (int tries = 1; ; tries++)
        {
            string vmid = plan.Vmid ?? (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/nextid"), cancellationToken).ConfigureAwait(false)).Text
                ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData, $"'{cluster.Location}' gave no free VM number.", cluster.Location);
            try
            {
                return (vmid, await RunAsync(stored, plan, vmid, progress, cancellationToken).ConfigureAwait(false));
            }
            catch (NataliaException e) when (IsTaken(e))
            {
                // A free number is not reserved: somebody else was quicker. Theirs is not ours to touch.
                if (plan.Vmid is not null || tries == MaximumNumbers)
                    throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists, $"There is a VM {vmid} on '{cluster.Location}' already.", vmid, "Name another number, or leave it out to take the next free one.", e);
            }
        }
    }

    /// <summary>A node that reaches both the point and the storage for the disks.</summary>
    internal async Task<string> ChooseNodeAsync(StoredPoint stored, string? preferred, string? diskStorage, CancellationToken cancellationToken)
    {
        StorageInfo source = await cluster.GetStorageAsync(stored.Storage, cancellationToken).ConfigureAwait(false);
        var nodes = (source.IsShared ? source.Nodes : [stored.Node]).ToList();
        if (diskStorage is not null)
        {
            StorageInfo target = await cluster.GetStorageAsync(diskStorage, cancellationToken).ConfigureAwait(false);
            if (!target.Content.Contains("images"))
                throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.InvalidOperation, $"The storage '{diskStorage}' on '{cluster.Location}' does not take VM disks; it takes: {string.Join(", ", target.Content)}.", diskStorage);
            nodes = [.. nodes.Where(target.Nodes.Contains)];
        }
        if (preferred is not null && nodes.Contains(preferred)) return preferred;
        if (nodes.Count > 0 && preferred is null) return nodes[0];
        throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.ResourceUnavailable,
            preferred is null ? $"No node reaches both '{stored.Storage}' and '{diskStorage}'." : $"The node '{preferred}' does not reach '{stored.Storage}'{(diskStorage is null ? "" : $" and '{diskStorage}'")}. These do: {(nodes.Count == 0 ? "none" : string.Join(", ", nodes))}.", stored.Storage, "Choose another node or another storage.");
    }

    /// <summary>Throws unless the node has all these networks.</summary>
    internal async Task CheckNetworksAsync(string node, IEnumerable<string> names, CancellationToken cancellationToken)
    {
        var wanted = names.Distinct().ToList();
        if (wanted.Count == 0) return;
        IReadOnlyDictionary<string, string?> there = await GetNetworksAsync(node, cancellationToken).ConfigureAwait(false);
        if (wanted.FirstOrDefault(n => !there.ContainsKey(n)) is string missing)
            throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound, $"The node '{node}' has no network '{missing}'. It has: {string.Join(", ", there.Keys.OrderBy(n => n, StringComparer.Ordinal))}.", missing);
    }

    /// <summary>The bridges and virtual networks of a node, with the ports of each; null where a network of that kind has none to name.</summary>
    internal async Task<IReadOnlyDictionary<string, string?>> GetNetworksAsync(string node, CancellationToken cancellationToken)
    {
        JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node}/network"), new ApiArguments { { "type", "include_sdn" } }, cancellationToken).ConfigureAwait(false)).Data;
        var networks = new Dictionary<string, string?>();
        foreach (JsonElement n in data.Items().Where(n => n.Text("type") is "bridge" or "OVSBridge" or "vnet"))
            if (n.Text("iface") is string name) networks[name] = n.Text("bridge_ports") ?? n.Text("ovs_ports") ?? (n.Text("type") == "vnet" ? null : "");
        return networks;
    }

    /// <summary>Removes traces of a run that was going on when the point was made: its mark, and nothing else.</summary>
    private async Task<GuestConfig> TidyAsync(string vmid, List<string> warnings, CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        if (LeftOutMark.Parse(config.Description) is not { } mark) return config;
        await leftOut.RestoreAsync(vmid, mark, cancellationToken).ConfigureAwait(false);
        warnings.Add($"The point was made while {string.Join(", ", mark.Disks)} were left out of backups; the restored VM has no such mark any more.");
        return await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<string>> RunAsync(StoredPoint stored, RestorePlan plan, string vmid, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        string what = $"The restore of '{stored.Volid}' to VM {vmid}";
        // Drive options together with an archive are refused by the server; "start" would give no time to read the result back.
        var arguments = new ApiArguments
        {
            { "vmid", vmid },
            { "archive", stored.Volid },
            { "storage", plan.Storage },
            { "pool", plan.Pool },
            { "unique", plan.OverExisting ? null : true },
            { "force", plan.OverExisting ? true : null },
            { "name", plan.Name },
            { "description", plan.Description },
            { "onboot", plan.OnBoot },
            { "memory", plan.MemoryMib },
        };
        foreach (var adapter in plan.Adapters) arguments.Add(adapter.Key, adapter.Value);
        DateTime startUtc = cluster.UtcNow;
        Upid task;
        try
        {
            ApiAnswer answer = await cluster.Client.PostAsync(ApiPath.Of($"/nodes/{plan.Node}/qemu"), arguments, cancellationToken, new RequiredRight("VM.Allocate", plan.Pool is null ? $"/vms/{vmid}" : $"/pool/{plan.Pool}")).ConfigureAwait(false);
            if (!Upid.TryParse(answer.Text, out task)) throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData, $"{what}: '{cluster.Location}' answered without a task ('{answer.Text}').", vmid);
        }
        catch (ApiException e) when (e.ErrorId == ErrorIds.RequestOutcomeUnknown)
        {
            if (await cluster.Tasks.FindStartedAsync(plan.Node, "qmrestore", vmid, startUtc.AddSeconds(-2), cancellationToken).ConfigureAwait(false) is not { } started) throw;
            task = started;
        }
        var warnings = new List<string>();
        var options = new TaskWaitOptions
        {
            Timeout = plan.Timeout,
            MaximumInterval = TimeSpan.FromSeconds(10),
            StopWhenCancelled = true,
            OnLogLine = line =>
            {
                if (line.StartsWith("WARN", StringComparison.Ordinal)) warnings.Add(line);
                if (progress is not null && s_progress.Match(line) is { Success: true } p)
                    progress.Report(new OperationProgress($"Restoring VM {vmid}", long.Parse(p.Groups["bytes"].Value, NumberStyles.None, CultureInfo.InvariantCulture), stored.Point.SizeBytes));
            },
        };
        TaskOutcome outcome;
        try
        {
            outcome = await cluster.Tasks.WaitAsync(task, options, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            if (!plan.OverExisting) await DestroyRemainsAsync(vmid).ConfigureAwait(false);
            throw;
        }
        if (outcome.State == TaskState.Failed && !plan.OverExisting && !IsTakenText(outcome.ExitStatus)) await DestroyRemainsAsync(vmid).ConfigureAwait(false);
        outcome.ThrowUnlessDone(what, plan.OverExisting && outcome.State != TaskState.Running ? $"VM {vmid} itself may be incomplete now: restore to a new number, or try again." : null);
        return warnings;
    }

    /// <summary>A failed restore leaves half a VM behind. It has this number since our task made it, and was never started.</summary>
    private async Task DestroyRemainsAsync(string vmid)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(15));
        ClusterGuest? remains = (await cluster.GetGuestsAsync(limit.Token).ConfigureAwait(false)).FirstOrDefault(g => g.Vmid == vmid);
        if (remains is null || remains.IsRunning) return;
        TaskOutcome outcome = await cluster.RunAtGuestAsync(vmid, $"The removal of the half-restored VM {vmid}", TimeSpan.FromMinutes(5), new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(10) },
            g => cluster.Client.DeleteAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}"), new ApiArguments { { "purge", true } }, limit.Token, new RequiredRight("VM.Allocate", $"/vms/{vmid}")), limit.Token).ConfigureAwait(false);
        outcome.ThrowUnlessDone($"The removal of the half-restored VM {vmid}");
    }

    private async Task CheckMayOverwriteAsync(StoredPoint stored, ClusterGuest? original, NativeRestoreRequest request, CancellationToken cancellationToken)
    {
        if (request.NativeId is not null && request.NativeId != stored.Vmid) throw new ArgumentException("Over the existing VM, no other number can be named.", nameof(request));
        if (original is null) throw cluster.NotFound(stored.Vmid);
        if (original.IsRunning)
            throw new NataliaException(ErrorIds.ApplianceRunning, NataliaErrorKind.InvalidOperation, $"VM {stored.Vmid} ('{original.Name}') is running; it cannot be restored over.", stored.Vmid, "Switch it off first, or restore to a new VM.");
        if (stored.Point.IsDataDiskOnly)
            throw new NataliaException(ErrorIds.StorageMixesKinds, NataliaErrorKind.InvalidOperation, $"The restore point {stored.Point} holds the data disk alone; restoring it over VM {stored.Vmid} would detach its system disk.", stored.Point.RestorePointId, "Restore it to a new VM and attach the disk from there.");
        GuestConfig config = await cluster.GetConfigAsync(stored.Vmid, cancellationToken).ConfigureAwait(false);
        if (config.CreatedUtc is DateTime created && stored.Point.TimeUtc < created)
            throw new NataliaException(ErrorIds.ApplianceMismatch, NataliaErrorKind.InvalidOperation,
                $"The restore point {stored.Point} is older than VM {stored.Vmid} ('{original.Name}', made {created:yyyy-MM-dd HH:mm:ss} UTC): it is of another VM that had this number before, or of another cluster.", stored.Point.RestorePointId, "Restore it to a new VM.");
    }

    private async Task<IReadOnlyDictionary<string, string>> MapNetworksAsync(GuestConfig archived, NativeRestoreRequest request, string node, CancellationToken cancellationToken)
    {
        var adapters = new Dictionary<string, string>();
        if (request.Networks.Count == 0) return adapters;
        var present = Bridges(archived).ToList();
        if (request.Networks.Keys.FirstOrDefault(k => !present.Contains(k)) is string unknown)
            throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.InvalidArgument, $"The restore point has no adapter on the network '{unknown}'. It has: {string.Join(", ", present)}.", unknown);
        await CheckNetworksAsync(node, request.Networks.Values, cancellationToken).ConfigureAwait(false);
        foreach (var adapter in archived.Networks)
        {
            if (adapter.Value["bridge"] is not string bridge || !request.Networks.TryGetValue(bridge, out string? target)) continue;
            PropertyString changed = adapter.Value.With("bridge", target);
            if (!request.OverExisting)
            {
                // A copy must not keep the address; without one the server makes a new one.
                string model = GuestDescriber.Model(adapter.Value);
                changed = PropertyString.Parse(string.Join(",", new[] { model }.Concat(changed.Keys.Where(k => k != model && k is not ("macaddr" or "model")).Select(k => $"{k}={changed[k]}"))));
            }
            adapters[adapter.Key] = changed.ToString();
        }
        return adapters;
    }

    private void CheckAdapters(string vmid, GuestConfig config, IReadOnlyDictionary<string, string> adapters)
    {
        foreach (var wanted in adapters)
        {
            string? bridge = PropertyString.Parse(config[wanted.Key] ?? "")["bridge"];
            string? expected = PropertyString.Parse(wanted.Value)["bridge"];
            if (bridge != expected)
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidOperation, $"VM {vmid} was restored, but its adapter {wanted.Key} is on '{bridge}' instead of '{expected}'. It was not started.", vmid);
        }
    }

    private static bool IsTaken(NataliaException e) => e is ApiException api && IsTakenText(api.ServerText);

    private static bool IsTakenText(string text) => Regex.IsMatch(text, @"VM \d+ already exists|config file already exists|'\d+\.conf' already exists", RegexOptions.IgnoreCase);
}
