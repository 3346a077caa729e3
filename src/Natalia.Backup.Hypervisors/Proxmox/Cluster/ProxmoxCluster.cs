using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>
/// What the services share: the client, who is where, and what the caller may do. Nothing about a VM is remembered: it
/// may have moved by the next request.
/// </summary>
internal sealed class ProxmoxCluster : IDisposable
{
    internal const string KindName = "Proxmox";

    private const int MaximumMoves = 3;
    private static readonly Regex s_movedAway =
        new(@"Configuration file '?nodes/[^/]+/qemu-server/\d+\.conf'? does not exist"
            + @"|unable to find configuration file for VM \d+",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase);
    private static readonly Regex s_locked =
        new(@"VM is locked(?: \((?<by>[^)]+)\))?|can't lock file|lock-\d+\.conf' - got timeout",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase);

    private readonly ConcurrentDictionary<string, string> _names = new(StringComparer.Ordinal);

    internal ProxmoxCluster(ApiClient client, string identity, Version version)
    {
        (Client, Identity, Version) = (client, identity, version);
        Tasks = new TaskWaiter(client);
    }

    internal ApiClient Client { get; }

    internal TaskWaiter Tasks { get; }

    /// <summary>
    /// The fingerprint of the cluster's own authority: it stays when names and addresses change, and no two clusters
    /// share it.
    /// </summary>
    internal string Identity { get; }

    /// <summary>The version of the node that answered the connection.</summary>
    internal Version Version { get; }

    internal DateTime UtcNow => Client.Clock.UtcNow();

    internal string Location => Client.Location;

    public void Dispose() => Client.Dispose();

    internal string ApplianceIdOf(string vmid) => ApplianceIdentity.Create(KindName, Identity, vmid);

    /// <summary>The number of a VM that a listing gave.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>: it is none of this kind of hypervisor.</exception>
    internal static string VmidOf(ApplianceDescription appliance)
    {
        bool isNumber = int.TryParse(appliance.NativeId, NumberStyles.None, CultureInfo.InvariantCulture, out int vmid);
        if (appliance.HypervisorKind == KindName && isNumber && vmid >= 100) return appliance.NativeId!;
        throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
            $"'{appliance.Name}' is not a VM of a Proxmox VE cluster.", appliance.Name);
    }

    /// <summary>The storages of the last answer that held some, for completion alone.</summary>
    internal IReadOnlyList<StorageInfo> KnownStorages { get; private set; } = [];

    /// <summary>Keeps a VM's name for the time when the overview has forgotten it.</summary>
    internal void RememberName(string vmid, string name) => _names[vmid] = name;

    /// <summary>
    /// All QEMU guests that the caller may see, by number; one request. What is not listed may be hidden for want of
    /// VM.Audit.
    /// </summary>
    internal async Task<IReadOnlyList<ClusterGuest>> GetGuestsAsync(CancellationToken cancellationToken)
    {
        JsonElement data = (await Client.GetAsync(ApiPath.Of($"/cluster/resources"),
            new ApiArguments { { "type", "vm" } }, cancellationToken).ConfigureAwait(false)).Data;
        return
        [
            .. from g in data.Items()
               where g.Text("type") == "qemu" && g.Text("vmid") is not null && g.Text("node") is not null
               orderby g.Long("vmid") ?? 0
               select new ClusterGuest(g.Text("vmid")!, NameOf(g), g.Text("node")!, g.Text("status"), g.Text("lock"),
                   g.Text("hastate"), g.Text("pool"),
                   (g.Text("tags") ?? "").Split([';', ',', ' '], StringSplitOptions.RemoveEmptyEntries),
                   g.Flag("template") == true, (int?)g.Long("maxcpu"), g.Long("maxmem")),
        ];
    }

    private string? NameOf(JsonElement guest)
    {
        string vmid = guest.Text("vmid")!;
        if (guest.Text("name") is not string name)
            return _names.TryGetValue(vmid, out string? remembered) ? remembered : null;
        return _names[vmid] = name;
    }

    /// <summary>
    /// The same, but nothing is an answer only to an account that may see VMs: to any other it would look like an empty
    /// cluster.
    /// </summary>
    /// <exception cref="NataliaException"><c>PermissionDenied</c>.</exception>
    internal async Task<IReadOnlyList<ClusterGuest>> GetVisibleGuestsAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<ClusterGuest> guests = await GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        if (guests.Count == 0)
            RequireAnywhere(await GetRightsAsync(cancellationToken).ConfigureAwait(false), "VM.Audit", "/vms", "VM");
        return guests;
    }

    /// <summary>Throws when the account has a right nowhere, for then every list is empty without a word.</summary>
    internal void RequireAnywhere(RightsMap rights, string privilege, string path, string what)
    {
        if (rights.HasAnywhere(privilege)) return;
        throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
            $"'{Client.User}' may not see any {what} on '{Location}': the server leaves out what an account may not "
            + $"see, without a word. Missing: {privilege} on {path}.",
            path,
            $"Give the account a role with {privilege} on {path}, or below it. An API token with privilege separation "
            + "starts without any right, and needs each itself, besides its user.");
    }

    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>.</exception>
    internal async Task<ClusterGuest> GetGuestAsync(string vmid, CancellationToken cancellationToken) =>
        (await GetGuestsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(g => g.Vmid == vmid)
        ?? throw NotFound(vmid);

    internal NataliaException NotFound(string vmid) =>
        new(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
            $"There is no VM {vmid} on '{Location}', or '{Client.User}' may not see it.", vmid,
        $"Check the number; to be seen, a VM needs the right VM.Audit on /vms/{vmid}.");

    /// <summary>
    /// Does something where the VM is. When it has moved meanwhile, nothing was done, and the new node is asked.
    /// </summary>
    internal async Task<T> AtGuestAsync<T>(string vmid, Func<ClusterGuest, Task<T>> action,
        CancellationToken cancellationToken)
    {
        for (int moves = 0; ; moves++)
        {
            ClusterGuest guest = await GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
            try
            {
                return await action(guest).ConfigureAwait(false);
            }
            catch (ApiException e) when (s_movedAway.IsMatch(e.ServerText))
            {
                if (moves >= MaximumMoves)
                    throw new ApiException(ErrorIds.ApplianceMoved, NataliaErrorKind.ResourceBusy,
                        $"VM {vmid} ('{guest.Name}') was not where the cluster said, {MaximumMoves + 1} times in a "
                        + "row.",
                        vmid,
                        "A migration may be going on; try again when it has ended.", e);
                // The overview is up to ten seconds behind.
                await Client.Clock.WaitAsync(TimeSpan.FromSeconds(3), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    internal Task<GuestConfig> GetConfigAsync(string vmid, CancellationToken cancellationToken) =>
        AtGuestAsync(vmid, g => GetConfigAsync(g, cancellationToken), cancellationToken);

    internal async Task<GuestConfig> GetConfigAsync(ClusterGuest guest, CancellationToken cancellationToken) =>
        GuestConfig.FromAnswer(
            (await Client.GetAsync(ApiPath.Of($"/nodes/{guest.Node}/qemu/{guest.Vmid}/config"),
                new ApiArguments { { "current", true } }, cancellationToken,
                new RequiredRight("VM.Audit", $"/vms/{guest.Vmid}")).ConfigureAwait(false)).Data);

    /// <summary>
    /// Whether a VM runs at this moment, by its node itself: <c>running</c>, <c>stopped</c>, or null. The overview is
    /// up to ten seconds behind, and knows nothing at first of a VM that was just made.
    /// </summary>
    internal Task<string?> GetPowerAsync(string vmid, CancellationToken cancellationToken) =>
        AtGuestAsync(vmid, async g =>
            (await Client.GetAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/status/current"), cancellationToken,
                new RequiredRight("VM.Audit", $"/vms/{vmid}")).ConfigureAwait(false)).Data.Text("status"),
            cancellationToken);

    /// <summary>
    /// A VM's configuration as one of many: what stands in the way of one VM is returned, for it must not hide the
    /// others. Both are null when the VM is gone.
    /// </summary>
    internal async Task<(GuestConfig? Config, NataliaException? Problem)> TryGetConfigAsync(ClusterGuest guest,
        CancellationToken cancellationToken)
    {
        try
        {
            try
            {
                return (await GetConfigAsync(guest, cancellationToken).ConfigureAwait(false), null);
            }
            catch (ApiException e) when (e.Status == 500)
            {
                // It may have moved since the overview was read.
                return (await GetConfigAsync(guest.Vmid, cancellationToken).ConfigureAwait(false), null);
            }
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.ApplianceNotFound)
        {
            return (null, null);
        }
        catch (NataliaException e)
            when (e is ApiException { IsSilentNode: true }
                || e.ErrorId is ErrorIds.ServerError or ErrorIds.PermissionDenied or ErrorIds.ApplianceMoved)
        {
            return (null, e);
        }
    }

    /// <summary>
    /// Asks one node after the other until one answers: the overview lists a dead node's storages as usable for
    /// minutes.
    /// </summary>
    internal static async Task<T> AtAnyNodeAsync<T>(IReadOnlyList<string> nodes, Func<string, Task<T>> ask)
    {
        for (int i = 0; ; i++)
        {
            try
            {
                return await ask(nodes[i]).ConfigureAwait(false);
            }
            catch (ApiException e) when (e.IsSilentNode && i + 1 < nodes.Count)
            {
                // The next one knows the same.
            }
        }
    }

    /// <summary>The nodes that the cluster knows to be down.</summary>
    internal async Task<IReadOnlyCollection<string>> GetOfflineNodesAsync(CancellationToken cancellationToken) =>
        new HashSet<string>(
            (await Client.GetAsync(ApiPath.Of($"/nodes"), cancellationToken).ConfigureAwait(false)).Data.Items()
            .Where(n => n.Text("status") == "offline").Select(n => n.Text("node")).OfType<string>());

    /// <summary>True when the server's words mean that another operation holds the VM.</summary>
    internal static bool IsLockText(string text, out string by)
    {
        Match match = s_locked.Match(text);
        by = match.Groups["by"].Success ? match.Groups["by"].Value : "another operation";
        return match.Success;
    }

    /// <summary>
    /// Starts a task at the VM's node and waits for it; while another operation holds the VM, waits for that first.
    /// Nothing is ever unlocked by force.
    /// </summary>
    internal async Task<TaskOutcome> RunAtGuestAsync(string vmid, string what, TimeSpan lockTimeout,
        TaskWaitOptions options, Func<ClusterGuest, Task<ApiAnswer>> start, CancellationToken cancellationToken)
    {
        long since = Client.Clock.GetTimestamp();
        while (true)
        {
            string by;
            try
            {
                ClusterGuest guest = await GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
                if (guest.Lock is string held)
                {
                    by = held;
                }
                else
                {
                    ApiAnswer answer = await AtGuestAsync(vmid, start, cancellationToken).ConfigureAwait(false);
                    if (!Upid.TryParse(answer.Text, out Upid upid))
                        throw new ApiException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                            $"{what}: '{Location}' answered without a task ('{answer.Text}').", vmid);
                    TaskOutcome outcome = await Tasks.WaitAsync(upid, options, cancellationToken).ConfigureAwait(false);
                    if (outcome.State != TaskState.Failed || !IsLockText(outcome.ExitStatus, out by)) return outcome;
                }
            }
            catch (ApiException e) when (IsLockText(e.ServerText, out by))
            {
                // Told by the request itself: nothing was started.
            }
            if (Client.Clock.GetElapsedTime(since) >= lockTimeout)
                throw await LockedAsync(vmid, by, lockTimeout, cancellationToken).ConfigureAwait(false);
            options.OnWaiting?.Invoke(WaitingText(vmid, by));
            await Client.Clock.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What is waited for, for a progress display.</summary>
    internal static string WaitingText(string vmid, string by) => $"Waiting for VM {vmid}, which is held by '{by}'";

    /// <summary>
    /// The error of a wait that was given up; it names who holds the VM as far as the node's task list tells.
    /// </summary>
    internal async Task<NataliaException> LockedAsync(string vmid, string by, TimeSpan waited,
        CancellationToken cancellationToken)
    {
        string time = waited < TimeSpan.FromMinutes(2)
            ? $"{waited.TotalSeconds:0} seconds"
            : $"{waited.TotalMinutes:0} minutes";
        return new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
            $"VM {vmid} is held by '{by}'{await FindHolderAsync(vmid, cancellationToken).ConfigureAwait(false)}; it "
            + $"was still held after {time}.",
            vmid,
            "Wait until that operation has ended. If no task is running any more, unlock it by hand on the node (qm "
            + "unlock) after looking at what happened.");
    }

    private async Task<string> FindHolderAsync(string vmid, CancellationToken cancellationToken)
    {
        try
        {
            ClusterGuest guest = await GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
            JsonElement tasks = (await Client.GetAsync(ApiPath.Of($"/nodes/{guest.Node}/tasks"),
                new ApiArguments { { "source", "active" } }, cancellationToken).ConfigureAwait(false)).Data;
            // A scheduled backup of several VMs carries no number.
            Upid? holder = tasks.Items().Select(t => Upid.TryParse(t.Text("upid"), out Upid u) ? u : null)
                .OfType<Upid>()
                .Where(u => u.Id == vmid || (u.Type == "vzdump" && u.Id.Length == 0))
                .OrderByDescending(u => u.Id == vmid).ThenBy(u => u.StartUtc).FirstOrDefault();
            return holder is null
                ? ""
                : string.Format(CultureInfo.InvariantCulture,
                    " (task {0} of {1} on node '{2}', since {3:yyyy-MM-dd HH:mm:ss} UTC)", holder.Type, holder.User,
                    holder.Node, holder.StartUtc);
        }
        catch (NataliaException)
        {
            // Who it is may not be seen, or cannot be read now: what holds it is known all the same.
            return "";
        }
    }

    /// <summary>All storages that the caller may see; one request.</summary>
    internal async Task<IReadOnlyList<StorageInfo>> GetStoragesAsync(CancellationToken cancellationToken)
    {
        JsonElement data = (await Client.GetAsync(ApiPath.Of($"/cluster/resources"),
            new ApiArguments { { "type", "storage" } }, cancellationToken).ConfigureAwait(false)).Data;
        IReadOnlyList<StorageInfo> storages =
        [
            // The rows come in no order; what is taken first must be the same each time.
            .. from s in data.Items()
                .Where(s => s.Text("type") == "storage" && s.Text("storage") is not null && s.Text("node") is not null)
                   .OrderBy(s => s.Text("storage"), StringComparer.Ordinal)
                .ThenBy(s => s.Text("node"), StringComparer.Ordinal)
               group s by s.Text("storage")! into g
               let first = g.First()
               select new StorageInfo(g.Key, first.Text("plugintype") ?? "unknown",
                   g.Any(s => s.Flag("shared") == true),
                   (first.Text("content") ?? "").Split([','], StringSplitOptions.RemoveEmptyEntries),
                   [.. g.Where(s => s.Text("status") is null or "available").Select(s => s.Text("node")!)],
                   [.. g.Select(s => s.Text("node")!)]),
        ];
        KnownStorages = storages;
        return storages;
    }

    /// <summary>
    /// A storage by name. One that is hidden for want of rights is told apart from one that is not there as far as the
    /// server lets us.
    /// </summary>
    internal async Task<StorageInfo> GetStorageAsync(string name, CancellationToken cancellationToken)
    {
        IReadOnlyList<StorageInfo> storages = await GetStoragesAsync(cancellationToken).ConfigureAwait(false);
        StorageInfo? storage = storages.FirstOrDefault(s => s.Name == name);
        if (storage is not null) return storage;
        RightsMap rights = await GetRightsAsync(cancellationToken).ConfigureAwait(false);
        if (!rights.Has($"/storage/{name}", "Datastore.Audit"))
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"'{Client.User}' may not see a storage '{name}' on '{Location}'. Missing: Datastore.Audit on "
                + $"/storage/{name}.",
                $"/storage/{name}",
                "Give the account the right (Datastore.AllocateSpace alone does not show a storage), or check the "
                + "storage's name. An API token with privilege separation needs the right itself, besides its user.");
        throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound,
            $"'{Location}' has no storage '{name}'. It has: "
            + $"{string.Join(", ", storages.Select(s => s.Name).OrderBy(n => n, StringComparer.Ordinal))}.",
            name);
    }

    internal async Task<RightsMap> GetRightsAsync(CancellationToken cancellationToken) =>
        new((await Client.GetAsync(ApiPath.Of($"/access/permissions"), cancellationToken).ConfigureAwait(false)).Data);
}
