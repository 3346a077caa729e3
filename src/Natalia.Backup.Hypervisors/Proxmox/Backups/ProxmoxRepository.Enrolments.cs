using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>Enrolment: a line in the VM's notes, or a backup job of this product.</summary>
internal sealed partial class ProxmoxRepository
{
    private const int ParallelReads = 12;

    public async Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(
        IReadOnlyList<ApplianceDescription>? appliances,
        CancellationToken cancellationToken)
    {
        IReadOnlyCollection<string> scheduled = await Jobs.GetScheduledAsync(Storage,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<(string Vmid, string Name, string Notes, DateTime? AsOfUtc)> guests = appliances is not null
            ? await ReadNotesAsync(appliances, cancellationToken).ConfigureAwait(false)
            : await ReadNotesAsync(cancellationToken).ConfigureAwait(false);
        return
        [
            .. from g in guests
               let isScheduled = scheduled.Contains(g.Vmid)
               let mark = EnrolmentMark.Parse(g.Notes, g.Vmid).FirstOrDefault(m => m.Storage == Storage)
                   ?? (isScheduled ? new EnrolmentMark(g.Vmid, Storage, null, true) : null)
               where mark is not null
               select new ApplianceSettings
               {
                   ApplianceId = _cluster.ApplianceIdOf(g.Vmid),
                   Name = g.Name,
                   HypervisorKind = Kind,
                   DataDiskId = mark.DataDisk,
                   IncludeSystemDisk = mark.IncludesSystemDisk,
                   Strategy = mark.Strategy,
                   RestoreTest = RestoreTestMark.Parse(g.Notes, g.Vmid, Storage),
                   // What its schedule says is the cluster's, and true now.
                   AsOfUtc = isScheduled ? null : g.AsOfUtc,
               },
        ];
    }

    public Task SetApplianceSettingsAsync(ApplianceDescription appliance, ApplianceSettings settings,
        CancellationToken cancellationToken)
    {
        if (appliance.NativeId is not string vmid || appliance.ApplianceId != _cluster.ApplianceIdOf(vmid))
            throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
                $"'{appliance.Name}' is not a VM of the cluster '{_cluster.Location}', so it cannot be enrolled in "
                + $"its storage '{Storage}'.",
                appliance.Name);
        var mark = new EnrolmentMark(vmid, Storage, settings.DataDiskId, settings.IncludeSystemDisk,
            settings.Strategy);
        return new GuestNotes(_cluster).ChangeAsync(vmid,
            notes => RestoreTestMark.AddTo(mark.AddTo(notes), vmid, Storage, settings.RestoreTest), cancellationToken);
    }

    public async Task EndEnrolmentAsync(ApplianceSettings settings, string? reason,
        CancellationToken cancellationToken)
    {
        ClusterGuest guest = (await _cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false))
            .FirstOrDefault(g => _cluster.ApplianceIdOf(g.Vmid) == settings.ApplianceId)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"'{settings.Name}' is not a VM of the cluster '{_cluster.Location}' any more.", settings.Name,
                "Its enrolment stood in its notes, and went with it: nothing is left to do.");
        if ((await Jobs.GetScheduledAsync(Storage, cancellationToken).ConfigureAwait(false)).Contains(guest.Vmid))
            throw new NataliaException(ErrorIds.ApplianceScheduled, NataliaErrorKind.InvalidOperation,
                $"A schedule of the cluster backs '{settings.Name}' up to '{Storage}': as long as it is there, the VM "
                + "is enrolled. Nothing was changed.", settings.Name,
                $"Get-NataliaSchedule -Appliance '{settings.Name}' | Unregister-NataliaSchedule; then try again.");
        await new GuestNotes(_cluster).ChangeAsync(guest.Vmid,
            notes => RestoreTestMark.AddTo(EnrolmentMark.RemoveFrom(notes, guest.Vmid, Storage), guest.Vmid, Storage,
                null), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The notes that descriptions hold. Of a VM whose node is down they are those of a restore point.
    /// </summary>
    private async Task<IReadOnlyList<(string Vmid, string Name, string Notes, DateTime? AsOfUtc)>> ReadNotesAsync(
        IReadOnlyList<ApplianceDescription> appliances, CancellationToken cancellationToken)
    {
        List<ApplianceDescription> ours = [.. appliances.Where(a => a.NativeId is not null
            && a.ApplianceId == _cluster.ApplianceIdOf(a.NativeId))];
        IReadOnlyDictionary<string, ArchivedGuest> archived = await _archived.ReadAsync(
            [.. ours.Where(a => a.State?.Power == GuestDescriber.SilentState).Select(a => a.NativeId!)],
            cancellationToken).ConfigureAwait(false);
        return [.. ours.Select(a => (a.NativeId!, a.Name, a.NativeConfiguration ?? "",
            archived.TryGetValue(a.NativeId!, out ArchivedGuest? then) ? then.Point.Point.TimeUtc : (DateTime?)null))];
    }

    /// <summary>
    /// The notes of all VMs. Of one whose node is down, those that its newest restore point holds; of one that cannot
    /// be read otherwise, none.
    /// </summary>
    private async Task<IReadOnlyList<(string Vmid, string Name, string Notes, DateTime? AsOfUtc)>> ReadNotesAsync(
        CancellationToken cancellationToken)
    {
        IReadOnlyList<ClusterGuest> guests = await _cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        // Gone meanwhile, on a node that is down, or hidden: that must not hide the others' settings.
        (ClusterGuest Guest,
            (GuestConfig? Config, NataliaException? Problem) Answer)[] read = await InParallel.SelectAsync(guests,
            ParallelReads,
            async guest =>
                (Guest: guest, Answer: await _cluster.TryGetConfigAsync(guest,
                    cancellationToken).ConfigureAwait(false)),
            cancellationToken).ConfigureAwait(false);
        List<string> silent = [.. read.Where(r => r.Answer.Problem is ApiException { IsSilentNode: true })
            .Select(r => r.Guest.Vmid)];
        IReadOnlyDictionary<string, ArchivedGuest> archived = await _archived.ReadAsync(silent,
            cancellationToken).ConfigureAwait(false);
        return
        [
            .. from r in read
               let then = archived.TryGetValue(r.Guest.Vmid, out ArchivedGuest? found) ? found : null
               let config = r.Answer.Config ?? then?.Config
               select (r.Guest.Vmid, r.Guest.KnownName ?? config?["name"] ?? r.Guest.Name, config?.Description ?? "",
                   r.Answer.Config is null ? then?.Point.Point.TimeUtc : null),
        ];
    }
}
