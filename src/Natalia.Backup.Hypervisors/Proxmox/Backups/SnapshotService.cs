using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// Snapshots with the product's mark: a name that begins with its prefix, and a line in the description that says what
/// was reached.
/// </summary>
internal sealed class SnapshotService(ProxmoxCluster cluster, GuestAgentService agent) : ISnapshots
{
    internal const string Prefix = "natalia-";
    private static readonly TimeSpan s_clearingLimit = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_lookLimit = TimeSpan.FromMinutes(2);
    private static readonly Regex s_mark = new(@"\[natalia-backup consistency=(?<consistency>\w+)\]",
        RegexOptions.CultureInvariant);

    public async Task<ApplianceSnapshot> CreateSnapshotAsync(ApplianceDescription appliance, SnapshotRequest request,
        CancellationToken cancellationToken)
    {
        string vmid = ProxmoxCluster.VmidOf(appliance);
        long start = cluster.Client.Clock.GetTimestamp();
        DateTime startUtc = cluster.Client.Clock.UtcNow();
        ClusterGuest guest = await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        string name = Prefix + startUtc.ToString("yyyyMMdd'T'HHmmssfff", CultureInfo.InvariantCulture);

        // A freeze that works leaves no line in a snapshot's log, so that the agent must be known to answer before.
        string? noFreeze = !guest.IsRunning ? "the VM was switched off"
            : request.IncludeMemory ? "a snapshot with memory is not frozen: the memory holds what was not written"
            : !config.IsAgentEnabled ? "the guest agent is not enabled for this VM"
            : !config.IsFreezeAllowed ? "freezing is switched off in the VM's agent option"
            : await agent.PingAsync(vmid, cancellationToken).ConfigureAwait(false) != GuestAgentState.Running
                ? "the guest agent did not answer"
            : null;
        var freeze = new FreezeEvidence();
        var options = new TaskWaitOptions
        {
            Timeout = request.Timeout,
            OnLogLine = freeze.Read,
            OnWaiting = text => request.Progress?.Report(new OperationProgress(text, 0, null)),
            MaximumInterval = TimeSpan.FromSeconds(3),
            FinishWhenCancelled = true,
        };
        var arguments =
            new ApiArguments { { "snapname", name }, { "vmstate", request.IncludeMemory
                ? true
                : null }, { "description", request.Note } };
        bool isAsked = false;
        ApplianceSnapshot made;
        Consistency consistency;
        string? reason;
        try
        {
            TaskOutcome outcome = await cluster.RunAtGuestAsync(vmid, $"The snapshot of VM {vmid}", request.Timeout,
                options, g =>
                {
                    isAsked = true;
                    return StartAsync(g, vmid, arguments, cancellationToken);
                }, cancellationToken).ConfigureAwait(false);
            outcome.ThrowUnlessDone($"The snapshot '{name}' of VM {vmid} ('{guest.Name}')");

            (consistency, reason) = freeze.ConcludeSilent(noFreeze, outcome.IsLogWhole);
            string description = (request.Note is null ? "" : request.Note + "\n")
                + $"[natalia-backup consistency={consistency}]";
            await cluster.AtGuestAsync(vmid,
                g => cluster.Client.PutAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/snapshot/{name}/config"),
                    new ApiArguments { { "description", description } }, cancellationToken,
                    new RequiredRight("VM.Snapshot", $"/vms/{vmid}")),
                cancellationToken).ConfigureAwait(false);

            made =
                (await ListAsync(vmid, cancellationToken).ConfigureAwait(false)).FirstOrDefault(
                    s => s.SnapshotId == name)
                ?? throw new NataliaException(ErrorIds.SnapshotNotFound, NataliaErrorKind.InvalidOperation,
                    $"The snapshot '{name}' of VM {vmid} was reported as made, but is not there.", name);
        }
        // One whose task runs on is not a failure: its own error says so.
        catch (Exception e)
            when (isAsked
                && e is OperationCanceledException or NataliaException { ErrorId: not ErrorIds.TaskNotFinished })
        {
            if (await RemoveIfThereAsync(vmid, name, e).ConfigureAwait(false) is NataliaException left) throw left;
            throw;
        }
        // A VM that is off has no memory: the server makes the snapshot without it, and says nothing.
        if (request.IncludeMemory && !made.IncludesMemory)
            reason = "There is no memory in the snapshot: the VM was switched off, and has none.";
        return made with
        {
            Consistency = consistency,
            Reason = reason,
            Duration = cluster.Client.Clock.GetElapsedTime(start),
        };
    }

    public Task<IReadOnlyList<ApplianceSnapshot>> GetSnapshotsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken) =>
        ListAsync(ProxmoxCluster.VmidOf(appliance), cancellationToken);

    internal async Task<IReadOnlyList<ApplianceSnapshot>> ListAsync(string vmid, CancellationToken cancellationToken)
    {
        string vmName = "";
        JsonElement data = (await cluster.AtGuestAsync(vmid, g =>
        {
            vmName = g.Name;
            return cluster.Client.GetAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/snapshot"), cancellationToken,
                new RequiredRight("VM.Audit", $"/vms/{vmid}"));
        }, cancellationToken).ConfigureAwait(false)).Data;
        return
        [
            .. from s in data.Items()
               let name = s.Text("name")
               // The list ends with an entry for the present, which is no snapshot.
               where name is not null and not "current"
               let note = s.Text("description")
               let mark = s_mark.Match(note ?? "")
               let time = s.Time("snaptime") ?? default
               orderby time descending
               select new ApplianceSnapshot
               {
                   SnapshotId = name,
                   ApplianceId = cluster.ApplianceIdOf(vmid),
                   ApplianceName = vmName,
                   TimeUtc = time,
                   IsOwn = name.StartsWith(Prefix, StringComparison.Ordinal),
                   IncludesMemory = s.Flag("vmstate") == true,
                   Consistency = mark.Success && Enum.TryParse(mark.Groups["consistency"].Value, out Consistency c)
                       ? c
                       : Consistency.Unknown,
                   Note = s_mark.Replace(note ?? "", "").Trim() is { Length: > 0 } text ? text : null,
               },
        ];
    }

    public async Task RemoveSnapshotAsync(ApplianceDescription appliance, string snapshotId,
        CancellationToken cancellationToken)
    {
        string vmid = ProxmoxCluster.VmidOf(appliance);
        if (!snapshotId.StartsWith(Prefix, StringComparison.Ordinal))
            throw new NataliaException(ErrorIds.SnapshotNotOwn, NataliaErrorKind.InvalidOperation,
                $"The snapshot '{snapshotId}' of VM {vmid} was not made by this product and is left alone.", snapshotId,
                "Remove it in the web interface if it is not needed.");
        if (!(await ListAsync(vmid, cancellationToken).ConfigureAwait(false)).Any(s => s.SnapshotId == snapshotId))
            throw new NataliaException(ErrorIds.SnapshotNotFound, NataliaErrorKind.NotFound,
                $"VM {vmid} has no snapshot '{snapshotId}'.", snapshotId);
        TaskOutcome outcome = await DeleteAsync(vmid, snapshotId, TimeSpan.FromMinutes(1),
            cancellationToken).ConfigureAwait(false);
        outcome.ThrowUnlessDone($"The removal of snapshot '{snapshotId}' of VM {vmid}");
    }

    private Task<TaskOutcome> DeleteAsync(string vmid, string name, TimeSpan lockTimeout,
        CancellationToken cancellationToken) =>
        cluster.RunAtGuestAsync(vmid, $"The removal of snapshot '{name}' of VM {vmid}", lockTimeout, new TaskWaitOptions
        {
            Timeout = TimeSpan.FromHours(2),
            FinishWhenCancelled = true,
        },
            g => cluster.Client.DeleteAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/snapshot/{name}"), null,
                cancellationToken, new RequiredRight("VM.Snapshot", $"/vms/{vmid}")),
            cancellationToken);

    /// <summary>Asks for a snapshot; where the answer is lost, the task itself is looked for.</summary>
    private async Task<ApiAnswer> StartAsync(ClusterGuest guest, string vmid, ApiArguments arguments,
        CancellationToken cancellationToken)
    {
        DateTime startUtc = cluster.UtcNow;
        try
        {
            return await cluster.Client.PostAsync(ApiPath.Of($"/nodes/{guest.Node}/qemu/{vmid}/snapshot"), arguments,
                cancellationToken, new RequiredRight("VM.Snapshot", $"/vms/{vmid}")).ConfigureAwait(false);
        }
        catch (ApiException e) when (e.ErrorId == ErrorIds.RequestOutcomeUnknown)
        {
            if (await FindStartedAsync(guest.Node, vmid, startUtc, e).ConfigureAwait(false) is not { } started) throw;
            using JsonDocument text = JsonDocument.Parse($"\"{JsonEncodedText.Encode(started.Text)}\"");
            return new ApiAnswer(text.RootElement.Clone(), null);
        }
    }

    /// <summary>
    /// Looks for the task whose start was not confirmed, also when the caller wants to stop: what was begun must be
    /// known to be removed.
    /// </summary>
    private async Task<Upid?> FindStartedAsync(string node, string vmid, DateTime startUtc, ApiException unknown)
    {
        using var limit = new CancellationTokenSource(s_lookLimit);
        try
        {
            return await cluster.Tasks.FindStartedAsync(node, "qmsnapshot", vmid, startUtc.AddSeconds(-2),
                limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            throw new ApiException(unknown.ErrorId, unknown.Kind,
                $"{unknown.Message} Looking for it failed: {e.Message}", unknown.Target, unknown.RecommendedAction,
                new AggregateException(unknown, e));
        }
    }

    /// <summary>Leaves nothing behind when the making was stopped or failed.</summary>
    /// <returns>Null when nothing is left; else the failure, which says now that the snapshot may be.</returns>
    private async Task<NataliaException?> RemoveIfThereAsync(string vmid, string name, Exception failure)
    {
        using var limit = new CancellationTokenSource(s_clearingLimit);
        var known = failure as NataliaException;
        try
        {
            if ((await ListAsync(vmid, limit.Token).ConfigureAwait(false)).Any(s => s.SnapshotId == name))
                (await DeleteAsync(vmid, name, TimeSpan.FromMinutes(10),
                    limit.Token).ConfigureAwait(false)).ThrowUnlessDone(
                        $"The removal of the half-made snapshot '{name}' of VM {vmid}");
            // Where nobody knows whether it was begun, not being there now says nothing.
            else if (known?.ErrorId == ErrorIds.RequestOutcomeUnknown)
                return May("it was not seen, but may still be made.", null);
            return null;
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            return May($"it could not be removed: {e.Message}", e);
        }

        NataliaException May(string reason, Exception? left) =>
            new(known?.ErrorId ?? ErrorIds.TaskFailed, known?.Kind ?? NataliaErrorKind.InvalidOperation,
                $"{known?.Message ?? $"The making of a snapshot of VM {vmid} was stopped."} The snapshot '{name}' may "
                + $"be there: {reason}",
                name,
                "Look at the VM's snapshots, and remove it with Remove-NataliaSnapshot. "
                + known?.RecommendedAction,
                left is null ? failure : new AggregateException(failure, left));
    }
}
