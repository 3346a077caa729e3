using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// Switches disks off for one run, and on again. Which disks a backup takes stands only in the VM's configuration, so a run that dies in between would make every
/// later backup skip them; the mark in the VM's notes lets the next run undo that.
/// </summary>
internal sealed class LeftOutDisks(ProxmoxCluster cluster)
{
    /// <summary>How long a run may take from setting the mark to starting its task.</summary>
    private static readonly TimeSpan s_startAllowance = TimeSpan.FromMinutes(10);
    private const int MaximumTries = 5;

    /// <summary>Undoes what a dead run left. A live run's mark makes the VM busy.</summary>
    /// <returns>A full sentence when something was undone, else null.</returns>
    /// <exception cref="NataliaException"><c>ApplianceLocked</c>: a run is on its way.</exception>
    internal async Task<string?> RepairAsync(string vmid, CancellationToken cancellationToken)
    {
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        if (LeftOutMark.Parse(config.Description) is not { } mark) return null;
        if (cluster.UtcNow - mark.SinceUtc < s_startAllowance || await IsBackupRunningAsync(vmid, cancellationToken).ConfigureAwait(false))
            throw new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy, $"A backup of the data disk of VM {vmid} (run {mark.RunId}) is on its way since {mark.SinceUtc:yyyy-MM-dd HH:mm:ss} UTC.", vmid,
                $"Try again when it has ended. If it died, its traces are cleared {s_startAllowance.TotalMinutes:0} minutes after it began.");
        await RestoreAsync(vmid, mark, cancellationToken).ConfigureAwait(false);
        return $"An earlier run ({mark.RunId}, {mark.SinceUtc:yyyy-MM-dd HH:mm:ss} UTC) had died and left {string.Join(", ", mark.Disks)} of VM {vmid} out of all backups since; they are included again.";
    }

    /// <summary>Switches disks off and writes the mark, in one request. The configuration must not have changed since it was read.</summary>
    internal async Task<LeftOutMark> LeaveOutAsync(string vmid, IReadOnlyCollection<string> disks, string runId, CancellationToken cancellationToken)
    {
        var mark = new LeftOutMark([.. disks.OrderBy(d => d, StringComparer.Ordinal)], runId, cluster.UtcNow);
        await ChangeAsync(vmid, config =>
        {
            if (LeftOutMark.Parse(config.Description) is { } other && other.RunId != runId)
                throw new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy, $"Another backup of the data disk of VM {vmid} (run {other.RunId}) began at the same moment.", vmid, "Try again when it has ended.");
            var change = new ApiArguments();
            foreach (GuestDrive drive in config.Disks.Where(d => disks.Contains(d.Key)))
                change.Add(drive.Key, drive.Properties.With("backup", "0").ToString());
            change.Add("description", mark.AddTo(config.Description));
            return change;
        }, cancellationToken).ConfigureAwait(false);
        return mark;
    }

    /// <summary>Switches the disks of a mark on again and removes it. Waits while the VM is held.</summary>
    internal Task RestoreAsync(string vmid, LeftOutMark mark, CancellationToken cancellationToken) => ChangeAsync(vmid, config =>
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

    /// <summary>Whether any backup of the VM is on its way, or one of several VMs that may reach it.</summary>
    private async Task<bool> IsBackupRunningAsync(string vmid, CancellationToken cancellationToken)
    {
        ClusterGuest guest = await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
        JsonElement tasks = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{guest.Node}/tasks"), new ApiArguments { { "source", "active" }, { "typefilter", "vzdump" } }, cancellationToken).ConfigureAwait(false)).Data;
        return tasks.Items().Any(t => t.Text("status") is null or "RUNNING" && Upid.TryParse(t.Text("upid"), out Upid u) && u.Id == vmid);
    }

    private async Task ChangeAsync(string vmid, Func<GuestConfig, ApiArguments?> change, CancellationToken cancellationToken)
    {
        DateTimeOffset since = cluster.Client.Clock.GetUtcNow();
        TimeSpan lockTimeout = TimeSpan.FromMinutes(15);
        for (int tries = 0; ;)
        {
            try
            {
                await cluster.AtGuestAsync(vmid, async guest =>
                {
                    GuestConfig config = await cluster.GetConfigAsync(guest, cancellationToken).ConfigureAwait(false);
                    if (change(config) is not { } arguments) return true;
                    // The digest makes the server refuse when somebody changed the configuration in between.
                    arguments.Add("digest", config.Digest);
                    await cluster.Client.PutAsync(ApiPath.Of($"/nodes/{guest.Node}/qemu/{vmid}/config"), arguments, cancellationToken, new RequiredRight("VM.Config.Disk and VM.Config.Options", $"/vms/{vmid}")).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ApiException e) when (e.Says("detected modified configuration") && ++tries < MaximumTries)
            {
                // Somebody else was quicker: read again and change that.
            }
            catch (ApiException e) when (ProxmoxCluster.IsLockText(e.ServerText, out string by))
            {
                if (cluster.Client.Clock.GetUtcNow() - since >= lockTimeout) throw await cluster.LockedAsync(vmid, by, lockTimeout, cancellationToken).ConfigureAwait(false);
                await Clocks.DelayAsync(cluster.Client.Clock, TimeSpan.FromSeconds(5), cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
