using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Backups;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Tracking;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV;

/// <summary>Everything that would fail later, asked beforehand. Changes nothing.</summary>
internal sealed class PrerequisiteService(HyperVSite site, BackupService backups)
{
    /// <summary>What a night's writes may come to: the checkpoint's file grows by them.</summary>
    private const long LittleRoom = 10L << 30;

    internal async Task<IReadOnlyList<CheckResult>> TestAsync(ApplianceDescription? appliance,
        PrerequisiteRequest request, CancellationToken cancellationToken)
    {
        var checks = new CheckList();
        IReadOnlyList<HyperVHost> hosts = await site.HostsAsync(cancellationToken).ConfigureAwait(false);
        foreach (HyperVHost host in hosts)
            checks.AddRange(await HostChecks.ReadAsync(host, cancellationToken).ConfigureAwait(false));
        if (appliance is not null)
        {
            Machine machine = await site.RequireAsync(appliance.NativeId, appliance.Name, cancellationToken)
                .ConfigureAwait(false);
            checks.ApplianceId = MachineReader.ApplianceIdOf(machine);
            await CheckMachineAsync(machine).ConfigureAwait(false);
        }
        if (request.IsolatedNetwork is string network) await CheckNetworkAsync(network).ConfigureAwait(false);
        return checks.All;

        async Task CheckMachineAsync(Machine machine)
        {
            (string Why, string Advice)? unfit = MachineChecks.WhyNot(machine);
            checks.Add("Suitable", machine.Name, unfit is null ? CheckOutcome.Passed : CheckOutcome.Failed,
                "can be backed up",
                unfit?.Why ?? "can be backed up", unfit?.Advice, ErrorIds.ApplianceNotSuitable);
            checks.Add("Free", machine.Name, machine.Occupation is null ? CheckOutcome.Passed : CheckOutcome.Warning,
                "nothing under way", machine.Occupation ?? "nothing under way");
            string? deaf = machine.IsRunning
                ? await GuestQuiescing.WhyNotAsync(machine, cancellationToken).ConfigureAwait(false)
                : null;
            checks.Add("GuestVss", machine.Name, !machine.IsRunning ? CheckOutcome.Skipped
                : deaf is null ? CheckOutcome.Passed : CheckOutcome.Failed, "answers",
                machine.IsRunning ? deaf is null ? "answers" : "does not answer" : "not running", deaf,
                ErrorIds.QuiesceFailed);
            foreach (DiskSlot slot in machine.Disks) await CheckDiskAsync(machine, slot).ConfigureAwait(false);
            await CheckRoomAsync(machine).ConfigureAwait(false);
            await CheckHostRunAsync(machine.Host).ConfigureAwait(false);
            await CheckMergingAsync(machine).ConfigureAwait(false);
            await CheckStandingAsync(machine).ConfigureAwait(false);
            if (machine.HasTpm)
                checks.Add("VirtualTpm", machine.Name, CheckOutcome.Warning, "none", "has one",
                    "The VM has a virtual TPM. Its state is kept with each point where the VM's files can be read; the "
                        + "keys that open it are the host's (its key protector), and are in no backup. Have the "
                        + "recovery keys of what it unlocks, and export the host's guardian certificates.");
        }

        async Task CheckDiskAsync(Machine machine, DiskSlot slot)
        {
            checks.Add("Disk", slot.DiskId, slot.Obstacle is null ? CheckOutcome.Passed : CheckOutcome.Warning,
                "can be backed up", slot.Obstacle ?? "can be backed up",
                slot.Obstacle is null ? null : $"The disk '{slot.DiskId}' {slot.Obstacle}; no backup can take it.");
            if (slot.Obstacle is not null || slot.Path is null) return;
            NataliaException? trouble = await TryAsync(() => Task.Run(() =>
            {
                string local = machine.Host.Files.ToLocal(slot.Path);
                // Not opened: the VM may have it for itself, and only a frozen one is read.
                return File.Exists(local) ? true : throw new NataliaException(ErrorIds.DiskAccessDenied,
                    NataliaErrorKind.PermissionDenied,
                    $"'{local}' is not there for this user.", local,
                    "Give this user the right to the host's administrative share, or run this on the host "
                    + "(-Transport Local).");
            }, cancellationToken)).ConfigureAwait(false);
            checks.Add("DiskFile", slot.DiskId, trouble is null ? CheckOutcome.Passed : CheckOutcome.Failed,
                "reachable",
                trouble is null ? "reachable" : "not reachable",
                trouble is null ? null : $"{trouble.Message} {trouble.RecommendedAction}", trouble?.ErrorId);
        }

        async Task CheckRoomAsync(Machine machine)
        {
            HostVolumes volumes = await HostVolumes.ReadAsync(machine.Host, cancellationToken).ConfigureAwait(false);
            foreach ((string volume, long? free) in machine.Disks.Where(d => d.Obstacle is null)
                .Select(d => d.Path).OfType<string>().Select(volumes.Find).Distinct())
                checks.Add("Room", volume, free is null ? CheckOutcome.NotEvidenced
                    : free < LittleRoom ? CheckOutcome.Warning : CheckOutcome.Passed, "10 GiB free",
                    free is null ? "unknown" : string.Format(CultureInfo.InvariantCulture, "{0:0.0} GiB free",
                        free.Value / (double)(1L << 30)),
                    free is null ? $"The host does not tell how much room there is on {volume}. While a disk is read, "
                        + "what the VM writes goes into a new file there; look for yourself that it fits."
                    : free < LittleRoom ? $"While a disk is read, what the VM writes goes into a new file on {volume}; "
                        + "a VM whose volume is full is paused." : null);
        }

        async Task CheckHostRunAsync(HyperVHost host)
        {
            bool isKnown = await HostRun.ReadAsync(host, cancellationToken).ConfigureAwait(false) is not null;
            checks.Add("HostStart", host.Name, isKnown ? CheckOutcome.Passed : CheckOutcome.Warning, "told",
                isKnown ? "told" : "not told",
                isKnown ? null : "The host does not tell this user its name and since when it is up "
                    + "(Win32_OperatingSystem in root/cimv2), so that its change tracking is not believed: every "
                    + "backup reads everything. Give this user the right to that namespace (wmimgmt.msc: Enable "
                    + "Account, Remote Enable).");
            bool isShown = await HostRun.ShowsLogAsync(host, cancellationToken).ConfigureAwait(false);
            checks.Add("EventLog", host.Name, isShown ? CheckOutcome.Passed : CheckOutcome.Warning, "shown",
                isShown ? "shown" : "not shown",
                isShown ? null : "The host does not show this user its System event log, which tells whether it went "
                    + "down cleanly: after each start of it the next backup reads everything. Make this user a member "
                    + "of Event Log Readers there; on the host itself, run PowerShell elevated.");
        }

        async Task CheckMergingAsync(Machine machine)
        {
            bool isOff = await MergeSettings.AreOffAsync(machine, cancellationToken).ConfigureAwait(false);
            checks.Add("Merging", machine.Name, isOff ? CheckOutcome.Failed : CheckOutcome.Passed, "switched on",
                isOff ? "switched off" : "switched on", isOff ? MergeSettings.Advice : null,
                ErrorIds.ApplianceNotSuitable);
        }

        async Task CheckStandingAsync(Machine machine)
        {
            Standing standing = await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false);
            int left = (await backups.FindLeftoversAsync(appliance, cancellationToken).ConfigureAwait(false))
                .Count(l => l.Tokens.Count == 0);
            checks.Add("Leftovers", machine.Name, left == 0 ? CheckOutcome.Passed : CheckOutcome.Warning, "none",
                left.ToString(CultureInfo.InvariantCulture),
                left == 0 ? null : "Checkpoints of backups stand: of one that runs now, or of dead ones. The next "
                    + "backup removes those of dead ones.");
            int foreign = standing.Foreign(machine).Count(Standing.IsOfBackup);
            checks.Add("ForeignCheckpoints", machine.Name, foreign == 0 ? CheckOutcome.Passed : CheckOutcome.Warning,
                "none",
                foreign.ToString(CultureInfo.InvariantCulture),
                foreign == 0 ? null : "Another backup product's checkpoints stand. They lengthen the chain that is "
                    + "read, and are never touched.");
        }

        async Task CheckNetworkAsync(string name)
        {
            NetworkPlace? place = NetworkPlace.TryFind(await VirtualSwitch.ListAsync(site.First, cancellationToken)
                .ConfigureAwait(false), name);
            checks.Add("IsolatedNetwork", name, place is null ? CheckOutcome.Failed : CheckOutcome.Passed, "there",
                place is null ? "not there" : "there", null, ErrorIds.NetworkNotFound);
            if (place is null) return;
            SwitchReach reach = await SwitchReach.ReadAsync(site.First, place.Switch, cancellationToken)
                .ConfigureAwait(false);
            checks.Add("NoWayOut", name, reach.Result, SwitchReach.Expected, reach.Actual, null,
                ErrorIds.IsolationNotProven);
        }
    }

    private static async Task<NataliaException?> TryAsync<T>(Func<Task<T>> deed)
    {
        try
        {
            await deed().ConfigureAwait(false);
            return null;
        }
        catch (NataliaException e)
        {
            return e;
        }
    }
}
