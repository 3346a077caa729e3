using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Backups;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Restores;

/// <summary>
/// Builds VMs from restore points. Everything that must hold from the first moment is said in the restore call itself.
/// </summary>
internal sealed class RestoreService(ProxmoxCluster cluster, StoredPoints points, LeftOutDisks leftOut) : INativeRestore
{
    private const int MaximumNumbers = 5;
    private const int MaximumStops = 3;
    private static readonly TimeSpan s_clearingLimit = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan s_lookLimit = TimeSpan.FromMinutes(2);
    private readonly ArchivedGuests _archived = new(cluster, points);
    private static readonly Regex s_gone = new(@"does not exist|unable to find configuration file",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase);
    private static readonly Regex s_progress = new(@"progress \d+% \(read (?<bytes>\d+) bytes",
        RegexOptions.CultureInvariant);

    public Task CheckRestoreAsync(RestorePoint point, NativeRestoreRequest request,
        CancellationToken cancellationToken) =>
        PrepareAsync(point, request, cancellationToken);

    public async Task<NativeRestoreResult> RestoreAsync(RestorePoint point, NativeRestoreRequest request,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        (StoredPoint stored, RestorePlan plan) = await PrepareAsync(point, request,
            cancellationToken).ConfigureAwait(false);
        TimeProvider clock = cluster.Client.Clock;
        long watch = clock.GetTimestamp();
        (string vmid, IReadOnlyList<string> taskWarnings) = await RunAsync(stored, plan, progress,
            cancellationToken).ConfigureAwait(false);
        TimeSpan duration = clock.GetElapsedTime(watch);
        List<string> warnings = [.. plan.Warnings, .. taskWarnings];
        if (stored.Point.IsDataDiskOnly)
            warnings.Add($"The point holds the data disk alone: VM {vmid} has no system disk and cannot boot until "
                + "one is attached.");
        GuestConfig? config = null;
        NataliaException? failure = null;
        try
        {
            // From here on the VM is there, and the caller is told of it whatever goes wrong.
            try
            {
                config = await ReadBackAsync(vmid, plan, warnings, cancellationToken).ConfigureAwait(false);
                if (request.Start) await StartAsync(vmid, plan, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e)
            {
                failure = e;
            }
            ClusterGuest? guest = null;
            try
            {
                guest = await LookAtAsync(vmid, plan, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e)
            {
                failure ??= e;
            }
            return new NativeRestoreResult(
                Describe(vmid, config, guest, request.NewName ?? stored.Point.ApplianceName), duration, warnings,
                failure);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            string? left = plan.OverExisting
                ? $"VM {vmid} on node '{plan.Node}' is restored, but was not looked at."
                : await DestroyRemainsAsync(plan.Node, vmid, $"VM {vmid}").ConfigureAwait(false);
            if (left is null) throw;
            throw Remaining(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                $"The restore of '{stored.Volid}' to VM {vmid} was stopped when the server had ended it. {left}", vmid,
                plan.OverExisting, null);
        }
    }

    /// <summary>The VM as far as it could be read: of one that could not, nothing is taken from the point.</summary>
    private ApplianceDescription Describe(string vmid, GuestConfig? config, ClusterGuest? guest, string name) =>
        config is not null
            ? GuestDescriber.Describe(cluster.ApplianceIdOf(vmid), vmid, config["name"] ?? guest?.Name ?? name, config,
                guest)
            : new ApplianceDescription
            {
                ApplianceId = cluster.ApplianceIdOf(vmid),
                Name = guest?.KnownName ?? name,
                HypervisorKind = ProxmoxCluster.KindName,
                NativeId = vmid,
            };

    private async Task StartAsync(string vmid, RestorePlan plan, CancellationToken cancellationToken)
    {
        TaskOutcome started;
        try
        {
            started = await cluster.RunAtGuestAsync(vmid, $"The start of VM {vmid}",
                TimeSpan.FromMinutes(5), new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(15) },
                g => cluster.Client.PostAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/status/start"), null,
                    cancellationToken, new RequiredRight("VM.PowerMgmt", $"/vms/{vmid}")),
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e)
        {
            throw RestoredBut(vmid, plan, "it could not be started, or whether it was is not known.", e);
        }
        started.ThrowUnlessDone($"The start of the restored VM {vmid}", "It is restored, but not running.");
    }

    private async Task<ClusterGuest> LookAtAsync(string vmid, RestorePlan plan, CancellationToken cancellationToken)
    {
        try
        {
            return await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false) with
            {
                Status = await cluster.GetPowerAsync(vmid, cancellationToken).ConfigureAwait(false),
            };
        }
        catch (NataliaException e)
        {
            throw RestoredBut(vmid, plan, "it could not be looked at afterwards.", e);
        }
    }

    /// <summary>The VM is there whatever went wrong after its restore, and that is said.</summary>
    private static NataliaException RestoredBut(string vmid, RestorePlan plan, string but, NataliaException e) =>
        new(e.ErrorId, e.Kind, $"VM {vmid} was restored on node '{plan.Node}', but {but} {e.Message}", vmid,
            e.RecommendedAction, e);

    /// <summary>Looks at all that can be known before something is made.</summary>
    private async Task<(StoredPoint Stored, RestorePlan Plan)> PrepareAsync(RestorePoint point,
        NativeRestoreRequest request, CancellationToken cancellationToken)
    {
        StoredPoint stored = await points.FindAsync(point, cancellationToken).ConfigureAwait(false);
        GuestConfig archived = await ProxmoxRepository.ReadArchivedConfigAsync(cluster, stored,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ClusterGuest> guests = await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        // Of VMs whose node is down the overview forgets the names; what this point's VM was called stands in the point
        // itself.
        guests =
            await _archived.NameAsync(
                [.. guests
                    .Select(g => g.Vmid == stored.Vmid && g.KnownName is null
                        ? g with { KnownName = archived["name"] }
                        : g)],
            cancellationToken).ConfigureAwait(false);
        ClusterGuest? original = guests.FirstOrDefault(g => g.Vmid == stored.Vmid);
        var warnings = new List<string>();
        if (request.OverExisting)
            await CheckMayOverwriteAsync(stored, archived, original, request, cancellationToken).ConfigureAwait(false);
        else CheckNameIsFree(stored, request.NewName ?? archived["name"], guests, warnings);
        if (MissingDisks(archived) is { Count: > 0 } missing && !stored.Point.IsDataDiskOnly)
            warnings.Add($"The restore point {stored.Point} does not hold {string.Join(", ", missing)}, which "
                + $"{(missing.Count == 1 ? "was" : "were")} left out of backups when it was made: "
                + (request.OverExisting
                    ? $"what VM {stored.Vmid} has there now is detached from it, and stays as an unused disk."
                    : missing.Contains(archived.BootDrive ?? "")
                    ? "the restored VM has none of it, and cannot boot until a system disk is attached."
                    : "the restored VM has none of it."));
        string node = await ChooseNodeAsync(stored, request.OverExisting ? original!.Node : request.VMHost,
            original?.Node, request.Storage, request.OverExisting ? null : archived,
            cancellationToken).ConfigureAwait(false);
        if (original is not null && request.VMHost is null && node != original.Node)
            warnings.Add($"The node '{original.Node}', where VM {original.Vmid} is, cannot take it now: it is "
                + $"restored on '{node}'.");
        IReadOnlyDictionary<string, string> adapters = await MapNetworksAsync(archived, request, node,
            cancellationToken).ConfigureAwait(false);
        if (!request.OverExisting && original is not null)
            await CheckNetworksAreChosenAsync(stored, original, archived, request, warnings,
                cancellationToken).ConfigureAwait(false);
        // Beside its original a copy must never start by itself, as after a power cut.
        bool startsWithNode = JsonTolerance.ParseFlag(archived["onboot"]) == true,
            isCopy = !request.OverExisting && original is not null;
        if (startsWithNode && isCopy)
            warnings.Add($"VM {original!.Vmid} was set to start with its node; its copy is not, so that it never "
                + "starts by itself beside it. Switch on 'Start at boot' when it takes over.");
        var plan = new RestorePlan
        {
            Node = node,
            Vmid = request.OverExisting ? stored.Vmid : request.NativeId,
            OverExisting = request.OverExisting,
            Storage = request.Storage,
            Name = request.NewName,
            OnBoot = startsWithNode && isCopy ? false : null,
            Adapters = adapters,
            Timeout = request.Timeout,
            Warnings = warnings,
        };
        await CheckRightsAsync(plan, request.Start, cancellationToken).ConfigureAwait(false);
        return (stored, plan);
    }

    /// <summary>What would fail only when half a VM is there, or leave one that its maker cannot see.</summary>
    internal async Task CheckRightsAsync(RestorePlan plan, bool start, CancellationToken cancellationToken)
    {
        RightsMap rights = await cluster.GetRightsAsync(cancellationToken).ConfigureAwait(false);
        string path = plan.Pool is not null
            ? $"/pool/{plan.Pool}"
            : $"/vms/{plan.Vmid ?? await NextNumberAsync(cancellationToken).ConfigureAwait(false)}";
        List<RequiredRight> needed = [new("VM.Audit", path)];
        if (!plan.OverExisting) needed.Add(new("VM.Allocate", path));
        if (start) needed.Add(new("VM.PowerMgmt", path));
        if (plan.Storage is not null) needed.Add(new("Datastore.AllocateSpace", $"/storage/{plan.Storage}"));
        List<RequiredRight> missing = [.. needed.Where(r => !rights.Has(r.Path, r.Privilege))];
        if (missing.Count == 0) return;
        throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
            $"'{cluster.Client.User}' may not restore so on '{cluster.Location}'. Missing: "
            + $"{string.Join(", ", missing)}. Nothing was restored.",
            missing[0].Path,
            "Give the account a role with these rights (VM.Audit, too: without it a restored VM is not seen by its "
            + "maker). An API token with privilege separation needs them itself, besides its user.");
    }

    private async Task<string> NextNumberAsync(CancellationToken cancellationToken) =>
        (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/nextid"), cancellationToken).ConfigureAwait(false)).Text
        ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"'{cluster.Location}' gave no free VM number.", cluster.Location);

    /// <summary>Reads what was made. The VM is there whatever comes of this, and that is said.</summary>
    private async Task<GuestConfig> ReadBackAsync(string vmid, RestorePlan plan, List<string> warnings,
        CancellationToken cancellationToken)
    {
        GuestConfig config;
        try
        {
            config = await TidyAsync(vmid, warnings, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e)
        {
            throw RestoredBut(vmid, plan, "it cannot be read back, so its networks are not proven. It was not started.",
                e);
        }
        CheckAdapters(vmid, config, plan.Adapters);
        if (plan.OnBoot == false && JsonTolerance.ParseFlag(config["onboot"]) == true)
            warnings.Add($"VM {vmid} starts with its node although the restore said otherwise: switch off 'Start "
                + "at boot' in its options.");
        return config;
    }

    /// <summary>Two VMs of one name cannot be told apart by any later command.</summary>
    private void CheckNameIsFree(StoredPoint stored, string? name, IReadOnlyList<ClusterGuest> guests,
        List<string> warnings)
    {
        List<ClusterGuest> nameless = [.. guests.Where(g => g.KnownName is null)];
        if (nameless.Count > 0)
            warnings.Add($"What these VMs are called is not known, since their nodes do not answer: "
                + $"{string.Join(", ", nameless.Select(g => $"{g.Vmid} on '{g.Node}'"))}. One of them may be called "
                + $"'{name}', too.");
        if (name is null
            || guests.FirstOrDefault(g => string.Equals(g.Name, name, StringComparison.OrdinalIgnoreCase))
                is not ClusterGuest taken)
            return;
        throw new NataliaException(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists,
            $"A VM is called '{name}' on '{cluster.Location}' already: VM {taken.Vmid} on node '{taken.Node}'. "
            + "Nothing was restored.",
            name,
            taken.Vmid == stored.Vmid
                ? "Give the copy another name with -NewName, or say -OverExisting to replace the VM, which must be "
                    + "switched off."
                : "Give the restored VM another name with -NewName.");
    }

    /// <summary>
    /// While the VM itself exists, a copy of it in the same network is a second machine with the same addresses in it:
    /// that is done only when it is said.
    /// </summary>
    private async Task CheckNetworksAreChosenAsync(StoredPoint stored, ClusterGuest original, GuestConfig archived,
        NativeRestoreRequest request, List<string> warnings, CancellationToken cancellationToken)
    {
        (GuestConfig? config, NataliaException? problem) = await cluster.TryGetConfigAsync(original,
            cancellationToken).ConfigureAwait(false);
        if (problem is not null)
        {
            CheckAllNetworksAreChosen(stored, original, archived, request, problem);
            warnings.Add($"How VM {original.Vmid} ('{original.Name}') on node '{original.Node}' is now is not known "
                + $"({problem.Message.TrimEnd('.')}). When it comes back, it runs beside the restored VM: keep it off "
                + "its networks, or remove it, before.");
            return;
        }
        if (config is null) return;
        // Younger than the point: another VM that got the number of one that is gone.
        if (config.CreatedUtc is DateTime created && created > stored.Point.TimeUtc) return;
        var used = new HashSet<string>(Bridges(config), StringComparer.Ordinal);
        var shared = Bridges(archived).Where(b => used.Contains(b) && !request.Networks.ContainsKey(b)).ToList();
        if (shared.Count == 0) return;
        throw new NataliaException(ErrorIds.NetworkChoiceRequired, NataliaErrorKind.InvalidOperation,
            $"VM {original.Vmid} ('{original.Name}') exists and is connected to "
            + $"{string.Join(", ", shared.Select(b => $"'{b}'"))}, and so would be the copy, with the same addresses "
            + "in its guest system. Nothing was restored.",
            stored.Point.RestorePointId,
            $"Say which network the copy gets: -Network @{{ "
            + $"{string.Join("; ", shared.Select(b => $"'{b}' = 'ANOTHER'"))} }}. Where the same one is meant, name "
            + $"it: -Network @{{ {string.Join("; ", shared.Select(b => $"'{b}' = '{b}'"))} }}.");
    }

    /// <summary>
    /// Of a VM that cannot be read nobody knows which networks it uses, and it may come back at any time: then each
    /// network is somebody's decision.
    /// </summary>
    private static void CheckAllNetworksAreChosen(StoredPoint stored, ClusterGuest original, GuestConfig archived,
        NativeRestoreRequest request, NataliaException problem)
    {
        List<string> open = [.. Bridges(archived).Where(b => !request.Networks.ContainsKey(b))];
        if (open.Count == 0) return;
        throw new NataliaException(ErrorIds.NetworkChoiceRequired, NataliaErrorKind.InvalidOperation,
            $"VM {original.Vmid} ('{original.Name}') on node '{original.Node}' cannot be read, so which networks it "
            + $"uses is not known; when it comes back it may run beside the restored VM, with the same addresses. "
            + $"Nothing was restored. {problem.Message}",
            stored.Point.RestorePointId,
            $"Name every network of the point: -Network @{{ {string.Join("; ", open.Select(b => $"'{b}' = '{b}'"))} "
            + $"}} to take the VM's place, or other networks for a copy beside it.",
            problem);
    }

    private static IEnumerable<string> Bridges(GuestConfig config) =>
        config.Networks.Select(n => n.Value["bridge"]).OfType<string>().Distinct();

    /// <summary>Asks the server for the restore and waits. What a failed one leaves of a new VM is destroyed.</summary>
    internal async Task<(string Vmid, IReadOnlyList<string> Warnings)> RunAsync(StoredPoint stored, RestorePlan plan,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        for (int tries = 1; ; tries++)
        {
            string vmid = plan.Vmid ?? await NextNumberAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return (vmid, await RunAsync(stored, plan, vmid, progress, cancellationToken).ConfigureAwait(false));
            }
            catch (NataliaException e) when (IsTaken(e))
            {
                // A free number is not reserved: somebody else was quicker. Theirs is not ours to touch.
                if (plan.Vmid is not null || tries == MaximumNumbers)
                    throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                        $"There is a VM {vmid} on '{cluster.Location}' already.", vmid,
                        "Name another number, or leave it out to take the next free one.", e);
            }
        }
    }

    /// <summary>A node that is up and reaches both the point and the storages for the disks.</summary>
    /// <param name="stored">The point.</param>
    /// <param name="required">The node that was asked for; null for none.</param>
    /// <param name="preferred">The node to take where it will do; null for none.</param>
    /// <param name="diskStorage">The storage for the disks; null for those that the point names.</param>
    /// <param name="archived">The VM as the point holds it, for the storages that it names; null to ask for
    /// none.</param>
    internal async Task<string> ChooseNodeAsync(StoredPoint stored, string? required, string? preferred,
        string? diskStorage, GuestConfig? archived, CancellationToken cancellationToken)
    {
        StorageInfo source = await cluster.GetStorageAsync(stored.Storage, cancellationToken).ConfigureAwait(false);
        List<string> nodes = source.IsShared ? [.. source.Nodes] : [stored.Node];
        List<string> storages = [stored.Storage];
        if (diskStorage is not null)
        {
            StorageInfo target = await cluster.GetStorageAsync(diskStorage, cancellationToken).ConfigureAwait(false);
            if (!target.Content.Contains("images"))
                throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.InvalidOperation,
                    $"The storage '{diskStorage}' on '{cluster.Location}' does not take VM disks; it takes: "
                    + $"{string.Join(", ", target.Content)}.",
                    diskStorage);
            storages.Add(diskStorage);
            nodes = [.. nodes.Where(target.Nodes.Contains)];
        }
        else if (archived is not null)
        {
            IReadOnlyList<StorageInfo> all = await cluster.GetStoragesAsync(cancellationToken).ConfigureAwait(false);
            // Of a storage that the account does not see, the server itself must say.
            foreach (StorageInfo named in archived.Drives.Where(d => !d.IsCdRom && d.IsBackedUp).Select(d => d.Storage)
                .Distinct().Select(n => all.FirstOrDefault(s => s.Name == n)).OfType<StorageInfo>())
            {
                storages.Add(named.Name);
                nodes = [.. nodes.Where(named.Nodes.Contains)];
            }
        }
        // The overview shows a dead node's storages as usable for minutes.
        IReadOnlyCollection<string> offline =
            await cluster.GetOfflineNodesAsync(cancellationToken).ConfigureAwait(false);
        nodes = [.. nodes.Where(n => !offline.Contains(n))];
        if (required is not null && nodes.Contains(required)) return required;
        if (required is null && nodes.Count > 0)
            return preferred is not null && nodes.Contains(preferred) ? preferred : nodes[0];
        string both = string.Join(" and ", storages.Distinct().Select(s => $"'{s}'"));
        throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.ResourceUnavailable,
            required is null ? $"No node that is up reaches {both}."
            : offline.Contains(required)
                ? $"The node '{required}' is down. These are up and reach {both}: "
                    + $"{(nodes.Count == 0 ? "none" : string.Join(", ", nodes))}."
            : $"The node '{required}' does not reach {both}. These do: "
                + $"{(nodes.Count == 0 ? "none" : string.Join(", ", nodes))}.",
            stored.Storage, "Choose another node, or another storage with -Storage.");
    }

    /// <summary>Throws unless the node has all these networks.</summary>
    internal async Task CheckNetworksAsync(string node, IEnumerable<string> names, CancellationToken cancellationToken)
    {
        var wanted = names.Distinct().ToList();
        if (wanted.Count == 0) return;
        IReadOnlyDictionary<string, string?> there = await GetNetworksAsync(node,
            cancellationToken).ConfigureAwait(false);
        if (wanted.FirstOrDefault(n => !there.ContainsKey(n)) is not string missing) return;
        RightsMap rights = await cluster.GetRightsAsync(cancellationToken).ConfigureAwait(false);
        if (!MaySeeNetwork(rights, missing))
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"'{cluster.Client.User}' sees no network '{missing}' on the node '{node}': it is not there, or "
                + $"hidden. Missing: SDN.Use on {NetworkPath(missing)}.",
                NetworkPath(missing),
                $"Check the network's name, and give the account a role with SDN.Use on {NetworkPath(missing)} (for a "
                + "virtual network, on that one of its zone).");
        throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
            $"The node '{node}' has no network '{missing}'. It has: "
            + $"{string.Join(", ", there.Keys.OrderBy(n => n, StringComparer.Ordinal))}.",
            missing);
    }

    /// <summary>Where the rights on a node's own bridge stand.</summary>
    internal static string NetworkPath(string bridge) => $"/sdn/zones/localnetwork/{bridge}";

    /// <summary>
    /// Whether the server would show a network of that name, if there is one. The zone of a virtual network is not
    /// known here.
    /// </summary>
    internal static bool MaySeeNetwork(RightsMap rights, string name) =>
        rights.Has(NetworkPath(name), "SDN.Use", "SDN.Audit");

    /// <summary>
    /// The bridges and virtual networks of a node, with the ports of each; null where a network of that kind has none
    /// to name.
    /// </summary>
    internal async Task<IReadOnlyDictionary<string, string?>> GetNetworksAsync(string node,
        CancellationToken cancellationToken)
    {
        JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node}/network"),
            new ApiArguments { { "type", "include_sdn" } }, cancellationToken).ConfigureAwait(false)).Data;
        var networks = new Dictionary<string, string?>();
        foreach (JsonElement n in data.Items().Where(n => n.Text("type") is "bridge" or "OVSBridge" or "vnet"))
            if (n.Text("iface") is string name)
                networks[name] = n.Text("bridge_ports") ?? n.Text("ovs_ports")
                    ?? (n.Text("type") == "vnet" ? null : "");
        return networks;
    }

    /// <summary>
    /// Removes traces of a run that was going on when the point was made: its mark, and nothing else.
    /// </summary>
    private async Task<GuestConfig> TidyAsync(string vmid, List<string> warnings, CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        if (LeftOutMark.Parse(config.Description) is not { } mark) return config;
        await leftOut.RestoreAsync(vmid, mark, cancellationToken).ConfigureAwait(false);
        warnings.Add($"The point was made while {string.Join(", ", mark.Disks)} were left out of backups; the "
            + "restored VM has no such mark any more.");
        return await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<string>> RunAsync(StoredPoint stored, RestorePlan plan, string vmid,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        string what = $"The restore of '{stored.Volid}' to VM {vmid}";
        // Drive options together with an archive are refused by the server; "start" would give no time to read the
        // result back.
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
        foreach (KeyValuePair<string, string> adapter in plan.Adapters) arguments.Add(adapter.Key, adapter.Value);
        DateTime startUtc = cluster.UtcNow;
        Upid task;
        try
        {
            ApiAnswer answer = await cluster.Client.PostAsync(ApiPath.Of($"/nodes/{plan.Node}/qemu"), arguments,
                cancellationToken,
                new RequiredRight("VM.Allocate",
                    plan.Pool is null ? $"/vms/{vmid}" : $"/pool/{plan.Pool}")).ConfigureAwait(false);
            if (!Upid.TryParse(answer.Text, out task))
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"{what}: '{cluster.Location}' answered without a task ('{answer.Text}').", vmid);
        }
        catch (ApiException e) when (e.ErrorId == ErrorIds.RequestOutcomeUnknown)
        {
            task = await FindStartedAsync(plan, vmid, startUtc, e).ConfigureAwait(false);
        }
        var warnings = new List<string>();
        var options = new TaskWaitOptions
        {
            Timeout = plan.Timeout,
            MaximumInterval = TimeSpan.FromSeconds(10),
            OnLogLine = line =>
            {
                if (line.StartsWith("WARN", StringComparison.Ordinal)) warnings.Add(line);
                if (progress is not null && s_progress.Match(line) is { Success: true } p)
                    progress.Report(new OperationProgress($"Restoring VM {vmid}",
                        long.Parse(p.Groups["bytes"].Value, NumberStyles.None, CultureInfo.InvariantCulture),
                        stored.Point.SizeBytes));
            },
        };
        TaskOutcome outcome;
        try
        {
            outcome = await cluster.Tasks.WaitAsync(task, options, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            var known = e as NataliaException;
            // Half of an existing VM would be worse than a restore that nobody watches.
            string? left = plan.OverExisting && known is not null
                ? $"The task on node '{task.Node}' may run on; VM {vmid} itself may be incomplete until it ends."
                : await AbandonAsync(task, vmid, plan.OverExisting).ConfigureAwait(false);
            if (left is null) throw;
            string why = known is null ? $"{what} was stopped." : $"{what} could not be watched: {known.Message}";
            throw Remaining(known?.ErrorId ?? ErrorIds.TaskFailed, known?.Kind ?? NataliaErrorKind.InvalidOperation,
                $"{why} {left}", vmid, plan.OverExisting, e);
        }
        if (outcome.Succeeded) return warnings;
        string? note;
        if (plan.OverExisting)
        {
            note = outcome.State != TaskState.Running
                ? $"VM {vmid} itself may be incomplete now: restore to a new number, or try again."
                : null;
        }
        else if (outcome.State == TaskState.Running)
        {
            // Left alone it would end as a VM that nobody waits for, and that of a test bears no mark until then.
            string? left = await AbandonAsync(task, vmid, false).ConfigureAwait(false);
            string late = $"{what} was not finished within {plan.Timeout.TotalMinutes:0} minutes "
                + $"({outcome.ExitStatus.TrimEnd('.')}).";
            throw left is null
                ? new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                    $"{late} It was stopped, and what it made was removed.", vmid,
                    "See what the node and its storages are busy with, and try again later.")
                : Remaining(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout, $"{late} {left}", vmid, false, null);
        }
        else
        {
            note = outcome.State == TaskState.Lost
                ? $"VM {vmid} on node '{task.Node}', which it makes, may be there, whole or half."
                : IsTakenText(outcome.ExitStatus) ? null
                : await DestroyRemainsAsync(task.Node, vmid, $"half of VM {vmid}").ConfigureAwait(false);
        }
        try
        {
            outcome.ThrowUnlessDone(what, note);
        }
        catch (ApiException e) when (note is not null || plan.OverExisting)
        {
            throw Remaining(e.ErrorId, e.Kind, e.Message, vmid, plan.OverExisting, e);
        }
        return warnings;
    }

    /// <summary>
    /// Looks for a restore whose start was not confirmed, also when the caller wants to stop: it must be known to be
    /// stopped.
    /// </summary>
    private async Task<Upid> FindStartedAsync(RestorePlan plan, string vmid, DateTime startUtc, ApiException unknown)
    {
        string trouble = "";
        using var limit = new CancellationTokenSource(s_lookLimit);
        try
        {
            if (await cluster.Tasks.FindStartedAsync(plan.Node, "qmrestore", vmid, startUtc.AddSeconds(-2),
                limit.Token).ConfigureAwait(false) is { } started)
                return started;
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            trouble = $" Looking for it failed: {e.Message}";
        }
        throw Remaining(unknown.ErrorId, unknown.Kind,
            $"{unknown.Message}{trouble} " + (plan.OverExisting
                ? $"VM {vmid} itself may be incomplete until it ends."
                : $"VM {vmid} on node '{plan.Node}', which it would make, may be there."), vmid, plan.OverExisting,
            unknown);
    }

    /// <summary>Ends a restore that is not waited for any more, and removes what it made of a new VM.</summary>
    /// <returns>A full sentence when something is left or may be left, else null.</returns>
    private async Task<string?> AbandonAsync(Upid task, string vmid, bool overExisting)
    {
        string trouble = "";
        for (int tries = 0; tries < MaximumStops; tries++)
        {
            if (tries > 0)
                await cluster.Client.Clock.WaitAsync(TimeSpan.FromSeconds(5),
                    CancellationToken.None).ConfigureAwait(false);
            try
            {
                TaskOutcome end = await cluster.Tasks.StopAsync(task).ConfigureAwait(false);
                if (end.State != TaskState.Running)
                    return overExisting
                        ? end.Succeeded ? $"It had ended before: VM {vmid} is restored, but was not looked at."
                            : $"VM {vmid} itself may be incomplete now: restore to a new number, or try again."
                        // A number that somebody else had taken is not ours to touch.
                        : IsTakenText(end.ExitStatus) ? null
                        : await DestroyRemainsAsync(task.Node, vmid, $"half of VM {vmid}").ConfigureAwait(false);
                trouble = "it does not end";
            }
            catch (Exception e) when (e is NataliaException or OperationCanceledException)
            {
                trouble = e.Message.TrimEnd('.');
            }
        }
        // While it may run on, what it makes is not removed: nobody knows then whether the number is its own.
        return $"The task on node '{task.Node}' could not be stopped and may run on: {trouble}. "
            + (overExisting
                ? $"VM {vmid} itself may be incomplete until it ends."
                : $"VM {vmid}, which it makes, may be there, whole or half.");
    }

    private static NataliaException Remaining(string errorId, NataliaErrorKind kind, string message, string vmid,
        bool overExisting, Exception? inner) =>
        overExisting
            ? new OverwrittenVMException(errorId, kind, message, vmid, $"Look at VM {vmid} before it is started.",
                inner)
            : new RemainingVMException(errorId, kind, message, vmid, RemainsAction(vmid), inner);

    private static string RemainsAction(string vmid) =>
        $"Look at what VM {vmid} is on the node, and remove it there (qm destroy {vmid}) if it is the restored one and "
        + "not wanted.";

    /// <summary>
    /// A failed restore leaves half a VM behind, a stopped one a whole VM. It has this number since our task made it.
    /// It is removed by its number and without looking, for an account that may make a VM need not see it; one that
    /// runs already is refused by the server, and named.
    /// </summary>
    /// <param name="node">Where it is.</param>
    /// <param name="vmid">Its number.</param>
    /// <param name="what">What it is called in the sentence.</param>
    /// <returns>A full sentence when something is left or may be left, else null. What it was cleared after is the more
    /// important error.</returns>
    private async Task<string?> DestroyRemainsAsync(string node, string vmid, string what)
    {
        using var limit = new CancellationTokenSource(s_clearingLimit);
        long since = cluster.Client.Clock.GetTimestamp();
        while (true)
        {
            string why;
            try
            {
                ApiAnswer answer = await cluster.Client.DeleteAsync(ApiPath.Of($"/nodes/{node}/qemu/{vmid}"),
                    new ApiArguments { { "purge", true } }, limit.Token,
                    new RequiredRight("VM.Allocate", $"/vms/{vmid}")).ConfigureAwait(false);
                if (!Upid.TryParse(answer.Text, out Upid task))
                    return Left($"the server answered without a task ('{answer.Text}')");
                TaskOutcome outcome = await cluster.Tasks.WaitAsync(task,
                    new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(10) }, limit.Token).ConfigureAwait(false);
                if (outcome.Succeeded || s_gone.IsMatch(outcome.ExitStatus)) return null;
                why = outcome.ExitStatus;
            }
            catch (ApiException e) when (s_gone.IsMatch(e.ServerText))
            {
                return null;
            }
            catch (Exception e) when (e is NataliaException or OperationCanceledException)
            {
                why = e.Message;
            }
            // The task that is ending may still hold it.
            if (!ProxmoxCluster.IsLockText(why, out _)
                || cluster.Client.Clock.GetElapsedTime(since) >= TimeSpan.FromMinutes(5))
                return Left(why);
            await cluster.Client.Clock.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None).ConfigureAwait(false);
        }

        string Left(string reason) =>
            $"What it made, {what} on node '{node}', could not be removed and may still be there: "
            + $"{reason.TrimEnd('.')}.";
    }

    /// <summary>The disks that the point's own configuration names, and the point does not hold.</summary>
    private static IReadOnlyList<string> MissingDisks(GuestConfig archived) =>
        [.. archived.Disks.Where(d => !d.IsBackedUp).Select(d => d.Key)];

    private async Task CheckMayOverwriteAsync(StoredPoint stored, GuestConfig archived, ClusterGuest? original,
        NativeRestoreRequest request, CancellationToken cancellationToken)
    {
        if (request.NativeId is not null && request.NativeId != stored.Vmid)
            throw new ArgumentException("Over the existing VM, no other number can be named.", nameof(request));
        if (original is null) throw cluster.NotFound(stored.Vmid);
        GuestConfig config = await cluster.GetConfigAsync(stored.Vmid, cancellationToken).ConfigureAwait(false);
        string? power = await cluster.GetPowerAsync(stored.Vmid, cancellationToken).ConfigureAwait(false);
        if (power != "stopped")
            throw new NataliaException(ErrorIds.ApplianceRunning, NataliaErrorKind.InvalidOperation,
                $"VM {stored.Vmid} ('{original.Name}') is "
                + $"{(power == "running" ? "running" : "in a state that its node does not know")}; it cannot be "
                + "restored over.",
                stored.Vmid, "Switch it off first, or restore to a new VM.");
        if (stored.Point.IsDataDiskOnly)
            throw new NataliaException(ErrorIds.StorageMixesKinds, NataliaErrorKind.InvalidOperation,
                $"The restore point {stored.Point} holds the data disk alone; restoring it over VM {stored.Vmid} "
                + "would detach its system disk.",
                stored.Point.RestorePointId, "Restore it to a new VM and attach the disk from there.");
        // What the point does not hold is detached. Where a run of the data disk had switched disks off, the point of
        // another run lacks them by accident.
        IReadOnlyList<string> missing = MissingDisks(archived);
        if (missing.Count > 0
            && (missing.Contains(archived.BootDrive ?? "") || LeftOutMark.Parse(archived.Description) is not null))
            throw new NataliaException(ErrorIds.DiskExcluded, NataliaErrorKind.InvalidOperation,
                $"The restore point {stored.Point} does not hold {string.Join(", ", missing)}, which "
                + $"{(missing.Count == 1 ? "was" : "were")} left out of backups when it was made; restoring it over "
                + $"VM {stored.Vmid} would detach what that has there.",
                stored.Point.RestorePointId,
                "Choose another point, or restore it to a new VM and attach its disks from there.");
        if (config.CreatedUtc is DateTime created && stored.Point.TimeUtc < created)
            throw new NataliaException(ErrorIds.ApplianceMismatch, NataliaErrorKind.InvalidOperation,
                $"The restore point {stored.Point} is older than VM {stored.Vmid} ('{original.Name}', made "
                + $"{created:yyyy-MM-dd HH:mm:ss} UTC): it is of another VM that had this number before, or of "
                + "another cluster.",
                stored.Point.RestorePointId, "Restore it to a new VM.");
    }

    private async Task<IReadOnlyDictionary<string, string>> MapNetworksAsync(GuestConfig archived,
        NativeRestoreRequest request, string node, CancellationToken cancellationToken)
    {
        var adapters = new Dictionary<string, string>();
        if (request.Networks.Count == 0) return adapters;
        var present = Bridges(archived).ToList();
        if (request.Networks.Keys.FirstOrDefault(k => !present.Contains(k)) is string unknown)
            throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.InvalidArgument,
                $"The restore point has no adapter on the network '{unknown}'"
                + (present.Count == 0 ? ": it holds no network adapters." : $". It has: {string.Join(", ", present)}."),
                unknown);
        await CheckNetworksAsync(node, request.Networks.Values, cancellationToken).ConfigureAwait(false);
        foreach (KeyValuePair<string, PropertyString> adapter in archived.Networks)
        {
            if (adapter.Value["bridge"] is not string bridge
                || !request.Networks.TryGetValue(bridge, out string? target))
                continue;
            PropertyString changed = adapter.Value.With("bridge", target);
            if (!request.OverExisting)
            {
                // A copy must not keep the address; without one the server makes a new one.
                string model = GuestDescriber.Model(adapter.Value);
                changed = PropertyString.Parse(string.Join(",",
                    new[] { model }.Concat(changed.Keys.Where(k => k != model && k is not ("macaddr" or "model"))
                        .Select(k => $"{k}={changed[k]}"))));
            }
            adapters[adapter.Key] = changed.ToString();
        }
        return adapters;
    }

    private void CheckAdapters(string vmid, GuestConfig config, IReadOnlyDictionary<string, string> adapters)
    {
        foreach (KeyValuePair<string, string> wanted in adapters)
        {
            string? bridge = PropertyString.Parse(config[wanted.Key] ?? "")["bridge"];
            string? expected = PropertyString.Parse(wanted.Value)["bridge"];
            if (bridge != expected)
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidOperation,
                    $"VM {vmid} was restored, but its adapter {wanted.Key} is on '{bridge}' instead of '{expected}'. "
                    + "It was not started.",
                    vmid);
        }
    }

    private static bool IsTaken(NataliaException e) => e is ApiException api && IsTakenText(api.ServerText);

    private static bool IsTakenText(string text) =>
        Regex.IsMatch(text, @"VM \d+ already exists|config file already exists|'\d+\.conf' already exists",
            RegexOptions.IgnoreCase);
}
