using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>What the services share: the client, who is where, and what the caller may do. Nothing about a VM is remembered: it may have moved by the next request.</summary>
internal sealed class ProxmoxCluster : IDisposable
{
    private const int MaximumMoves = 3;
    private static readonly Regex s_movedAway = new(@"Configuration file '?nodes/[^/]+/qemu-server/\d+\.conf'? does not exist|unable to find configuration file for VM \d+", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase);
    private static readonly Regex s_locked = new(@"VM is locked(?: \((?<by>[^)]+)\))?|can't lock file|lock-\d+\.conf' - got timeout", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase);

    internal ProxmoxCluster(ApiClient client, string identity, Version version)
    {
        (Client, Identity, Version) = (client, identity, version);
        Tasks = new TaskWaiter(client);
    }

    internal ApiClient Client { get; }

    internal TaskWaiter Tasks { get; }

    /// <summary>The fingerprint of the cluster's own authority: it stays when names and addresses change, and no two clusters share it.</summary>
    internal string Identity { get; }

    /// <summary>The version of the node that answered the connection.</summary>
    internal Version Version { get; }

    internal DateTime UtcNow => Client.Clock.UtcNow();

    internal string Location => Client.Location;

    public void Dispose() => Client.Dispose();

    internal string ApplianceIdOf(string vmid) => ApplianceIdentity.Create(ProxmoxHypervisor.KindName, Identity, vmid);

    /// <summary>The storages of the last answer that held some, for completion alone.</summary>
    internal IReadOnlyList<StorageInfo> KnownStorages { get; private set; } = [];

    /// <summary>All QEMU guests that the caller may see; one request.</summary>
    internal async Task<IReadOnlyList<ClusterGuest>> GetGuestsAsync(CancellationToken cancellationToken)
    {
        JsonElement data = (await Client.GetAsync(ApiPath.Of($"/cluster/resources"), new ApiArguments { { "type", "vm" } }, cancellationToken).ConfigureAwait(false)).Data;
        return
        [
            .. from g in data.Items()
               where g.Text("type") == "qemu" && g.Text("vmid") is not null && g.Text("node") is not null
               select new ClusterGuest(g.Text("vmid")!, g.Text("name") ?? "VM " + g.Text("vmid"), g.Text("node")!, g.Text("status"), g.Text("lock"), g.Text("hastate"), g.Text("pool"),
                   (g.Text("tags") ?? "").Split([';', ',', ' '], StringSplitOptions.RemoveEmptyEntries), g.Flag("template") == true, (int?)g.Long("maxcpu"), g.Long("maxmem")),
        ];
    }

    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>.</exception>
    internal async Task<ClusterGuest> GetGuestAsync(string vmid, CancellationToken cancellationToken) =>
        (await GetGuestsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(g => g.Vmid == vmid) ?? throw NotFound(vmid);

    internal NataliaException NotFound(string vmid) => new(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound, $"There is no VM {vmid} on '{Location}', or '{Client.User}' may not see it.", vmid,
        $"Check the number; to be seen, a VM needs the right VM.Audit on /vms/{vmid}.");

    /// <summary>Does something where the VM is. When it has moved meanwhile, nothing was done, and the new node is asked.</summary>
    internal async Task<T> AtGuestAsync<T>(string vmid, Func<ClusterGuest, Task<T>> action, CancellationToken cancellationToken)
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
                    throw new ApiException(ErrorIds.ApplianceMoved, NataliaErrorKind.ResourceBusy, $"VM {vmid} ('{guest.Name}') was not where the cluster said, {MaximumMoves + 1} times in a row.", vmid,
                        "A migration may be going on; try again when it has ended.", e);
                // The overview is up to ten seconds behind.
                await Clocks.DelayAsync(Client.Clock, TimeSpan.FromSeconds(3), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    internal Task<GuestConfig> GetConfigAsync(string vmid, CancellationToken cancellationToken) => AtGuestAsync(vmid, g => GetConfigAsync(g, cancellationToken), cancellationToken);

    internal async Task<GuestConfig> GetConfigAsync(ClusterGuest guest, CancellationToken cancellationToken) =>
        GuestConfig.FromAnswer((await Client.GetAsync(ApiPath.Of($"/nodes/{guest.Node}/qemu/{guest.Vmid}/config"), new ApiArguments { { "current", true } }, cancellationToken, new RequiredRight("VM.Audit", $"/vms/{guest.Vmid}")).ConfigureAwait(false)).Data);

    /// <summary>True when the server's words mean that another operation holds the VM.</summary>
    internal static bool IsLockText(string text, out string by)
    {
        Match match = s_locked.Match(text);
        by = match.Groups["by"].Success ? match.Groups["by"].Value : "another operation";
        return match.Success;
    }

    /// <summary>
    /// Starts a task at the VM's node and waits for it; while another operation holds the VM, waits for that first. Nothing is ever unlocked by force.
    /// </summary>
    internal async Task<TaskOutcome> RunAtGuestAsync(string vmid, string what, TimeSpan lockTimeout, TaskWaitOptions options, Func<ClusterGuest, Task<ApiAnswer>> start, CancellationToken cancellationToken)
    {
        DateTimeOffset since = Client.Clock.GetUtcNow();
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
                        throw new ApiException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData, $"{what}: '{Location}' answered without a task ('{answer.Text}').", vmid);
                    TaskOutcome outcome = await Tasks.WaitAsync(upid, options, cancellationToken).ConfigureAwait(false);
                    if (outcome.State != TaskState.Failed || !IsLockText(outcome.ExitStatus, out by)) return outcome;
                }
            }
            catch (ApiException e) when (IsLockText(e.ServerText, out by))
            {
                // Told by the request itself: nothing was started.
            }
            if (Client.Clock.GetUtcNow() - since >= lockTimeout) throw Locked(vmid, by, lockTimeout);
            await Clocks.DelayAsync(Client.Clock, TimeSpan.FromSeconds(10), cancellationToken).ConfigureAwait(false);
        }
    }

    internal static NataliaException Locked(string vmid, string by, TimeSpan waited) => new(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
        $"VM {vmid} is held by '{by}'; it was still held after {waited.TotalMinutes:0} minutes.", vmid,
        "Wait until that operation has ended. If no task is running any more, unlock it by hand on the node (qm unlock) after looking at what happened.");

    /// <summary>All storages that the caller may see; one request.</summary>
    internal async Task<IReadOnlyList<StorageInfo>> GetStoragesAsync(CancellationToken cancellationToken)
    {
        JsonElement data = (await Client.GetAsync(ApiPath.Of($"/cluster/resources"), new ApiArguments { { "type", "storage" } }, cancellationToken).ConfigureAwait(false)).Data;
        IReadOnlyList<StorageInfo> storages =
        [
            .. from s in data.Items()
               where s.Text("type") == "storage" && s.Text("storage") is not null && s.Text("node") is not null
               group s by s.Text("storage")! into g
               let first = g.First()
               select new StorageInfo(g.Key, first.Text("plugintype") ?? "unknown", g.Any(s => s.Flag("shared") == true),
                   (first.Text("content") ?? "").Split([','], StringSplitOptions.RemoveEmptyEntries),
                   [.. g.Where(s => s.Text("status") is null or "available").Select(s => s.Text("node")!)], [.. g.Select(s => s.Text("node")!)]),
        ];
        KnownStorages = storages;
        return storages;
    }

    /// <summary>A storage by name. One that is hidden for want of rights is told apart from one that is not there as far as the server lets us.</summary>
    internal async Task<StorageInfo> GetStorageAsync(string name, CancellationToken cancellationToken)
    {
        IReadOnlyList<StorageInfo> storages = await GetStoragesAsync(cancellationToken).ConfigureAwait(false);
        StorageInfo? storage = storages.FirstOrDefault(s => s.Name == name);
        if (storage is not null) return storage;
        RightsMap rights = await GetRightsAsync(cancellationToken).ConfigureAwait(false);
        if (!rights.Has($"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace"))
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"'{Client.User}' may not see a storage '{name}' on '{Location}'. Missing: Datastore.Audit or Datastore.AllocateSpace on /storage/{name}.", $"/storage/{name}",
                "Give the account the right, or check the storage's name. An API token with privilege separation needs the right itself, besides its user.");
        throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound, $"'{Location}' has no storage '{name}'. It has: {string.Join(", ", storages.Select(s => s.Name).OrderBy(n => n, StringComparer.Ordinal))}.", name);
    }

    internal async Task<RightsMap> GetRightsAsync(CancellationToken cancellationToken) =>
        new((await Client.GetAsync(ApiPath.Of($"/access/permissions"), cancellationToken).ConfigureAwait(false)).Data);
}
