using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Notes;

/// <summary>
/// Switches disks off for one run, and on again. Which disks a backup takes stands only in the VM's configuration, so a
/// run that dies in between would make every later backup skip them; the mark in the VM's notes lets the next run undo
/// that.
/// </summary>
internal sealed class LeftOutDisks(ProxmoxCluster cluster)
{
    /// <summary>How long a run may take from setting the mark to starting its task.</summary>
    private static readonly TimeSpan s_startAllowance = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_lockTimeout = TimeSpan.FromMinutes(15);

    /// <summary>Undoes what a dead run left. A live run's mark makes the VM busy.</summary>
    /// <returns>A full sentence when something was undone, else null.</returns>
    /// <exception cref="NataliaException"><c>ApplianceLocked</c>: a run is on its way.</exception>
    internal async Task<string?> RepairAsync(string vmid, CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        if (LeftOutMark.Parse(config.Description) is not { } mark) return null;
        if (cluster.UtcNow - mark.SinceUtc < s_startAllowance
            || await IsBackupRunningAsync(vmid, cancellationToken).ConfigureAwait(false))
            throw new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                $"A backup of the data disk of VM {vmid} (run {mark.RunId}) is on its way since "
                + $"{mark.SinceUtc:yyyy-MM-dd HH:mm:ss} UTC.",
                vmid,
                $"Try again when it has ended. If it died, its traces are cleared {s_startAllowance.TotalMinutes:0} "
                + "minutes after it began.");
        await RestoreAsync(vmid, mark, cancellationToken).ConfigureAwait(false);
        return $"An earlier run ({mark.RunId}, {mark.SinceUtc:yyyy-MM-dd HH:mm:ss} UTC) had died and left "
            + $"{string.Join(", ", mark.Disks)} of VM {vmid} out of all backups since; they are included again.";
    }

    /// <summary>
    /// Switches disks off and writes the mark, in one request. When that fails and may have happened all the same, it
    /// is undone before the error is told.
    /// </summary>
    internal async Task<LeftOutMark> LeaveOutAsync(string vmid, IReadOnlyCollection<string> disks, string runId,
        CancellationToken cancellationToken)
    {
        var mark = new LeftOutMark([.. disks.OrderBy(d => d, StringComparer.Ordinal)], runId, cluster.UtcNow);
        var leaving = new GuestConfigChange(cluster, vmid, RightFor(vmid)) { Timeout = s_lockTimeout };
        try
        {
            await leaving.RunAsync(config =>
            {
                if (LeftOutMark.Parse(config.Description) is { } other && other.RunId != runId)
                    throw new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                        $"Another backup of the data disk of VM {vmid} (run {other.RunId}) began at the same moment.",
                        vmid, "Try again when it has ended.");
                var change = new ApiArguments();
                foreach (GuestDrive drive in config.Disks.Where(d => disks.Contains(d.Key)))
                    change.Add(drive.Key, drive.Properties.With("backup", "0").ToString());
                change.Add("description", mark.AddTo(config.Description));
                return change;
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (leaving.MayHaveHappened)
        {
            await PutBackAsync(vmid, mark, null, failure).ConfigureAwait(false);
            throw;
        }
        return mark;
    }

    /// <summary>
    /// Puts the disks of an own run back, whatever happened, and says so loudly when that fails: from then on every
    /// backup would lack them.
    /// </summary>
    /// <param name="vmid">The VM.</param>
    /// <param name="mark">What was left out.</param>
    /// <param name="made">The point that the run made, or null.</param>
    /// <param name="failure">Why the run made none, or null; told along when it cannot be thrown any more.</param>
    /// <exception cref="NataliaException"><c>DiskExcluded</c>.</exception>
    internal async Task PutBackAsync(string vmid, LeftOutMark mark, RestorePoint? made, Exception? failure)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(20));
        try
        {
            await RestoreAsync(vmid, mark, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            string what = made is not null ? $" The point '{made.NativeId}' was made."
                : failure is OperationCanceledException ? " The backup was stopped."
                : failure is not null ? $" No point was made: {failure.Message}"
                : "";
            throw new NataliaException(ErrorIds.DiskExcluded, NataliaErrorKind.InvalidOperation,
                $"{string.Join(", ", mark.Disks)} of VM {vmid} could not be included in backups again: every backup "
                + $"leaves them out until that is "
                + $"done.{what} {e.Message}",
                vmid,
                $"Run Invoke-NataliaBackup again, which repairs it, or switch on 'Backup' for "
                + $"{string.Join(", ", mark.Disks)} in the VM's hardware.",
                failure is null ? e : new AggregateException(failure, e));
        }
    }

    /// <summary>
    /// Switches the disks of a mark on again and removes it. Waits while the VM is held or the cluster is away.
    /// </summary>
    internal Task RestoreAsync(string vmid, LeftOutMark mark, CancellationToken cancellationToken) =>
        new GuestConfigChange(cluster, vmid,
            RightFor(vmid))
        { Timeout = s_lockTimeout, IsPersistent = true }.RunAsync(config =>
        {
            if (LeftOutMark.Parse(config.Description)?.RunId != mark.RunId) return null;
            var change = new ApiArguments();
            foreach (GuestDrive drive in config.Disks.Where(d => mark.Disks.Contains(d.Key) && !d.IsBackedUp))
                change.Add(drive.Key, drive.Properties.Without("backup").ToString());
            string description = LeftOutMark.RemoveFrom(config.Description);
            if (description.Length == 0) change.Add("delete", "description");
            else change.Add("description", description);
            return change;
        }, cancellationToken);

    private static RequiredRight RightFor(string vmid) => new("VM.Config.Disk and VM.Config.Options", $"/vms/{vmid}");

    /// <summary>Whether any backup of the VM is on its way, or one of several VMs that may reach it.</summary>
    private async Task<bool> IsBackupRunningAsync(string vmid, CancellationToken cancellationToken)
    {
        ClusterGuest guest = await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
        JsonElement tasks = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{guest.Node}/tasks"),
            new ApiArguments { { "source", "active" }, { "typefilter", "vzdump" } },
            cancellationToken).ConfigureAwait(false)).Data;
        return tasks.Items()
            .Any(t => t.Text("status") is null or "RUNNING" && Upid.TryParse(t.Text("upid"), out Upid u)
                && u.Id == vmid);
    }
}
