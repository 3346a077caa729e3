using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Jobs;

/// <summary>
/// ZFS replication between nodes. The configuration is the cluster's, the state is the source node's, and the source
/// changes when the VM migrates.
/// </summary>
internal sealed class ReplicationService(ProxmoxCluster cluster) : IReplication
{
    private const string ServerDefaultSchedule = "*/15";
    private const int HealthyIntervals = 3;
    private const int MaximumTries = 5;

    public async Task<ReplicationState> SetReplicationAsync(ApplianceDescription appliance, ReplicationRequest request,
        CancellationToken cancellationToken)
    {
        string vmid = ProxmoxCluster.VmidOf(appliance);
        if (request.IntervalMinutes is < 1 or > 59)
            throw new ArgumentOutOfRangeException(nameof(request), request.IntervalMinutes,
                "The interval is 1 to 59 minutes.");
        var failed = (await TestAsync(vmid, request.TargetVMHost, cancellationToken).ConfigureAwait(false))
            .Where(c => c.Result == CheckOutcome.Failed)
            .ToList();
        if (failed.Count > 0)
            throw new NataliaException(ErrorIds.ReplicationPreconditionFailed, NataliaErrorKind.InvalidOperation,
                $"VM {vmid} cannot be replicated to '{request.TargetVMHost}': "
                + $"{string.Join(" ", failed.Select(f => $"{f.Name} ({f.Target}): {f.Detail}"))}",
                vmid, "Set right what is named, and try again.");

        string id;
        for (int tries = 1; ; tries++)
        {
            try
            {
                id = await EnsureAsync(vmid, request, cancellationToken).ConfigureAwait(false);
                break;
            }
            catch (ApiException e) when (tries < MaximumTries && (e.IsConflict || e.Says("already exists")))
            {
                // Somebody changed the cluster's replications in between: read again and change that.
            }
        }
        return (await ListAsync(vmid,
            cancellationToken).ConfigureAwait(false)).FirstOrDefault(r => r.ReplicationId == id)
            ?? throw new NataliaException(ErrorIds.ReplicationNotFound, NataliaErrorKind.InvalidOperation,
                $"'{cluster.Location}' took the replication '{id}', but does not list it.", id);
    }

    /// <summary>Makes the job, or changes it where it differs, and gives its id.</summary>
    private async Task<string> EnsureAsync(string vmid, ReplicationRequest request, CancellationToken cancellationToken)
    {
        string schedule = $"*/{request.IntervalMinutes.ToString(CultureInfo.InvariantCulture)}";
        List<JsonElement> jobs = await GetJobsAsync(vmid, cancellationToken).ConfigureAwait(false);
        JsonElement? existing = jobs.Where(j => j.Text("target") == request.TargetVMHost).Select(j => (JsonElement?)j)
            .FirstOrDefault();
        string id;
        var right = new RequiredRight(cluster.Version.Major is > 0 and < 9 ? "Datastore.Allocate" : "VM.Replicate",
            cluster.Version.Major is > 0 and < 9 ? "/storage" : $"/vms/{vmid}");
        if (existing is { } job)
        {
            id = job.Text("id")!;
            if (job.Text("remove_job") is not null)
                throw new NataliaException(ErrorIds.ReplicationPreconditionFailed, NataliaErrorKind.ResourceBusy,
                    $"The replication '{id}' of VM {vmid} to '{request.TargetVMHost}' is being removed.", id,
                    "Wait until it has gone from the list: the node removes the copies in the background.");
            var change = new ApiArguments();
            var delete = new List<string>();
            if ((job.Text("schedule") ?? ServerDefaultSchedule) != schedule) change.Add("schedule", schedule);
            if (request.RateLimitMegabytes is double rate) { if (job.Double("rate") != rate) change.Add("rate", rate); }
            else if (job.Member("rate") is not null) delete.Add("rate");
            if (job.Flag("disable") == true) delete.Add("disable");
            if (delete.Count > 0) change.Add("delete", string.Join(",", delete));
            if (!change.IsEmpty)
            {
                change.Add("digest", job.Text("digest"));
                await cluster.Client.PutAsync(ApiPath.Of($"/cluster/replication/{id}"), change, cancellationToken,
                    right).ConfigureAwait(false);
            }
        }
        else
        {
            var used = new HashSet<string>(jobs.Select(j => j.Text("id") ?? ""));
            id = Enumerable.Range(0, 1000).Select(n => $"{vmid}-{n.ToString(CultureInfo.InvariantCulture)}")
                .First(i => !used.Contains(i));
            await cluster.Client.PostAsync(ApiPath.Of($"/cluster/replication"),
                new ApiArguments { { "id", id }, { "type", "local" }, { "target", request.TargetVMHost },
                    { "schedule", schedule }, { "rate", request.RateLimitMegabytes }, { "comment", "Natalia.Backup" } },
                cancellationToken, right).ConfigureAwait(false);
        }
        return id;
    }

    internal async Task<IReadOnlyList<CheckResult>> TestAsync(string vmid, string target,
        CancellationToken cancellationToken)
    {
        ClusterGuest guest = await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<StorageInfo> storages = await cluster.GetStoragesAsync(cancellationToken).ConfigureAwait(false);
        JsonElement nodes = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes"),
            cancellationToken).ConfigureAwait(false)).Data;
        var checks = new List<CheckResult>();
        string? status = nodes.Items().Where(n => n.Text("node") == target).Select(n => n.Text("status") ?? "unknown")
            .FirstOrDefault();
        Add("ReplicationTarget", target, status == "online" && target != guest.Node,
            status is null
                ? $"The cluster has no node '{target}'."
                : target == guest.Node
                    ? $"VM {vmid} runs on '{target}' itself."
                    : status != "online" ? $"The node '{target}' is {status}." : null);
        int replicated = 0;
        foreach (GuestDrive drive in config.Drives.Where(d => !d.IsCdRom))
        {
            if (!drive.IsReplicated) continue;
            StorageInfo? storage = storages.FirstOrDefault(s => s.Name == drive.Storage);
            // What all nodes see anyway is not copied.
            if (storage is { IsShared: true }) continue;
            if (storage is null)
                Add("ReplicationStorage", drive.Key, false,
                    $"The volume '{drive.Volume}' lies in no storage that '{cluster.Client.User}' can see.");
            else if (storage.Kind != "zfspool")
                Add("ReplicationStorage", drive.Key, false,
                    $"The volume '{drive.Volume}' lies in the storage '{storage.Name}' of the kind '{storage.Kind}'; "
                    + "only ZFS (zfspool) can be replicated.");
            else if (!storage.AllNodes.Contains(target))
                Add("ReplicationStorage", drive.Key, false,
                    $"The storage '{storage.Name}' is not on node '{target}'; a ZFS storage of the same name is "
                    + "needed there.");
            else if (!storage.Nodes.Contains(target))
                Add("ReplicationStorage", drive.Key, false,
                    $"The storage '{storage.Name}' is not active on node '{target}'.");
            else
            {
                replicated++;
                Add("ReplicationStorage", drive.Key, true, null);
            }
        }
        Add("ReplicationVolumes", guest.Name,
            replicated > 0 || checks.Any(c => c.Name == "ReplicationStorage" && c.Result == CheckOutcome.Failed),
            replicated > 0
                ? null
                : $"No disk of VM {vmid} would be replicated: all are on shared storage or excluded (replicate=0).");
        return checks;

        void Add(string name, string what, bool passed, string? detail) => checks.Add(new CheckResult
        {
            Name = name,
            Target = what,
            Result = passed ? CheckOutcome.Passed : CheckOutcome.Failed,
            Detail = passed ? null : detail,
            ApplianceId = cluster.ApplianceIdOf(vmid),
            ErrorId = passed ? null : ErrorIds.ReplicationPreconditionFailed,
        });
    }

    public Task<IReadOnlyList<ReplicationState>> GetReplicationsAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken) =>
        ListAsync(appliance is null ? null : ProxmoxCluster.VmidOf(appliance), cancellationToken);

    private async Task<IReadOnlyList<ReplicationState>> ListAsync(string? vmid, CancellationToken cancellationToken)
    {
        List<JsonElement> jobs = await GetJobsAsync(vmid, cancellationToken).ConfigureAwait(false);
        if (jobs.Count == 0)
        {
            // Replications of VMs that the account may not see are left out.
            if (vmid is null)
                cluster.RequireAnywhere(await cluster.GetRightsAsync(cancellationToken).ConfigureAwait(false),
                    "VM.Audit", "/vms", "VM's replication");
            return [];
        }
        var guests = (await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false)).ToDictionary(g => g.Vmid);
        IEnumerable<IGrouping<string, string>> byNode = jobs.Select(j => j.Text("guest") ?? "")
            .Where(guests.ContainsKey).GroupBy(g => guests[g].Node);
        var states = new Dictionary<string, JsonElement>();
        var silent = new Dictionary<string, string>();
        foreach (IGrouping<string, string> node in byNode)
        {
            try
            {
                JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node.Key}/replication"),
                    new ApiArguments { { "guest", vmid } }, cancellationToken).ConfigureAwait(false)).Data;
                foreach (JsonElement state in data.Items()) states[state.Text("id") ?? ""] = state;
            }
            catch (ApiException e) when (e.ErrorId == ErrorIds.ServerUnreachable)
            {
                // One node that is down must not hide the others; its jobs say that nothing is known.
                silent[node.Key] = e.Message;
            }
        }
        return [.. jobs.Select(j => Read(j, guests, states, silent))
            .OrderBy(r => r.ReplicationId, StringComparer.Ordinal)];
    }

    public async Task RemoveReplicationAsync(string replicationId, bool keepReplica,
        CancellationToken cancellationToken)
    {
        if ((await GetJobsAsync(null, cancellationToken).ConfigureAwait(false)).All(j => j.Text("id") != replicationId))
            throw new NataliaException(ErrorIds.ReplicationNotFound, NataliaErrorKind.NotFound,
                $"'{cluster.Location}' has no replication '{replicationId}'.", replicationId);
        await cluster.Client.DeleteAsync(ApiPath.Of($"/cluster/replication/{replicationId}"),
            new ApiArguments { { "keep", keepReplica ? true : null } }, cancellationToken,
            new RequiredRight("VM.Replicate", $"/vms/{replicationId.Split('-')[0]}")).ConfigureAwait(false);
    }

    private async Task<List<JsonElement>> GetJobsAsync(string? vmid, CancellationToken cancellationToken) =>
        [.. (await cluster.Client.GetAsync(ApiPath.Of($"/cluster/replication"),
            cancellationToken).ConfigureAwait(false)).Data.Items()
            .Where(j => vmid is null || j.Text("guest") == vmid)];

    private ReplicationState Read(JsonElement job, Dictionary<string, ClusterGuest> guests,
        Dictionary<string, JsonElement> states, Dictionary<string, string> silent)
    {
        string id = job.Text("id") ?? "";
        string vmid = job.Text("guest") ?? id.Split('-')[0];
        guests.TryGetValue(vmid, out ClusterGuest? guest);
        bool known = states.TryGetValue(id, out JsonElement state);
        string schedule = job.Text("schedule") ?? ServerDefaultSchedule;
        int? interval = schedule.StartsWith("*/", StringComparison.Ordinal)
            && int.TryParse(schedule.Substring(2), NumberStyles.None, CultureInfo.InvariantCulture, out int n)
            ? n
            : null;
        DateTime? last = known ? state.Time("last_sync") : null;
        TimeSpan? lag = last is DateTime l ? cluster.UtcNow - l : null;
        int failures = known ? (int)(state.Long("fail_count") ?? 0) : 0;
        string? error = known ? state.Text("error") : null;
        bool enabled = job.Flag("disable") != true;
        bool removing = job.Text("remove_job") is not null;
        TimeSpan limit = TimeSpan.FromMinutes(HealthyIntervals * (interval ?? 15));
        string? silence = guest is not null && silent.TryGetValue(guest.Node, out string? s) ? s : null;
        (CheckOutcome health, string? detail) =
            removing ? (CheckOutcome.Skipped, "The replication is being removed.")
            : !enabled ? (CheckOutcome.Warning, "The replication is switched off.")
            : silence is not null
                ? (CheckOutcome.NotEvidenced, $"The source node '{guest!.Node}' does not answer: {silence}")
            : !known
                ? (CheckOutcome.NotEvidenced, $"The source node says nothing of this replication; to see it, the "
                    + $"right VM.Audit on /vms/{vmid} is needed.")
            // Age decides: an attempt that never began leaves the count of failures at 0.
            : lag is null
                ? (failures > 0 || error is not null ? CheckOutcome.Failed : CheckOutcome.NotEvidenced, error is null
                    ? "There was no run yet."
                    : $"There was no good run yet: {error}")
            : lag > limit
                ? (CheckOutcome.Failed, $"The copy is {lag.Value.TotalMinutes:0} minutes old; {limit.TotalMinutes:0} "
                    + $"are the limit.{(error is null ? "" : " " + error)}")
            : failures > 0 || error is not null
                ? (CheckOutcome.Warning, $"The last attempt failed ({failures} in a row): {error ?? "no reason given"}")
            : (CheckOutcome.Passed, (string?)null);
        return new ReplicationState
        {
            ReplicationId = id,
            ApplianceId = cluster.ApplianceIdOf(vmid),
            ApplianceName = guest?.Name,
            SourceVMHost = guest?.Node,
            TargetVMHost = job.Text("target") ?? "",
            Expression = schedule,
            IntervalMinutes = interval,
            LastSyncUtc = last,
            LastTryUtc = known ? state.Time("last_try") : null,
            // It is counted from the last attempt: without one, from 1970; and while it is being removed it is no time
            // at all.
            NextSyncUtc = known && !removing && state.Time("last_try") is not null ? state.Time("next_sync") : null,
            Duration = known && state.Double("duration") is double d ? TimeSpan.FromSeconds(d) : null,
            Lag = lag,
            FailureCount = failures,
            Error = error,
            IsEnabled = enabled,
            IsBeingRemoved = removing,
            IsRunning = known && state.Member("pid") is not null,
            Health = health,
            Detail = detail,
        };
    }
}
