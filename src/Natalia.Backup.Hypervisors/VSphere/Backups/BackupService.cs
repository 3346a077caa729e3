using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>Freezes VMs by snapshots, and finds again what dead runs left of them.</summary>
internal sealed class BackupService(MachineFinder machines, SnapshotService snapshots, IDiskReadings readings)
{
    internal const string StillFrozen = "the guest has not been heard of since its snapshot (the heartbeat of VMware "
        + "Tools is red): its file systems may still be frozen. Look at it now.";

    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    internal TimeProvider Clock => machines.Vim.Clock;

    internal async Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        VirtualMachine machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<VirtualDiskDevice> wanted = MachineChecks.Require(machine, how.DiskIds);
        string? deaf = how.Quiescing == Quiescing.Skip ? null
            : !machine.IsRunning ? "The VM does not run, so that its guest cannot be asked."
            : !machine.AreToolsRunning
                ? "VMware Tools (open-vm-tools) do not run in the guest, so that it cannot be asked."
            : null;
        if (deaf is not null && how.Quiescing == Quiescing.Require) throw NotQuiesced(machine, deaf, null);
        var mark = new SnapshotMark
        {
            RunId = how.RunId,
            RepositoryId = how.RepositoryId,
            HistoryId = how.HistoryId,
            MachineId = machine.InstanceUuid,
            StartedUtc = Clock.UtcNow(),
        };
        IDisposable keepAlive = machines.Vim.KeepAlive();
        IDiskReading? reading = null;
        try
        {
            bool isQuiesced = how.Quiescing != Quiescing.Skip && deaf is null;
            // A guest that was asked may still be frozen, above all where freezing it failed.
            bool hadHeartbeat = isQuiesced && machine.Heartbeat is "green" or "yellow";
            VimReference snapshot;
            try
            {
                snapshot = await TakeAsync(machine, mark, isQuiesced, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (isQuiesced && IsTheGuests(e))
            {
                deaf = $"The guest did not put its data in order: {e.Message}";
                if (how.Quiescing == Quiescing.Require)
                {
                    throw hadHeartbeat && await HasLostHeartbeatAsync(machine.Reference, cancellationToken)
                        .ConfigureAwait(false) ? Silent(machine, e) : NotQuiesced(machine, deaf, e);
                }
                isQuiesced = false;
                snapshot = await TakeAsync(machine, mark, false, cancellationToken).ConfigureAwait(false);
            }
            FrozenMachine frozen = await DescribeAsync(machine, snapshot, wanted, cancellationToken)
                .ConfigureAwait(false);
            if (hadHeartbeat && await HasLostHeartbeatAsync(machine.Reference, cancellationToken).ConfigureAwait(false))
                throw Silent(machine, null);
            DateTime? made = await MadeAsync(machine, snapshot, cancellationToken).ConfigureAwait(false);
            reading = await readings.OpenAsync(frozen, cancellationToken).ConfigureAwait(false);
            // Nobody asked a machine that is off for more.
            string? reason = machine.IsRunning ? deaf : null;
            return new VSphereFrozenDisks(this, frozen, mark, reading, keepAlive, new FrozenState(
                made ?? mark.StartedUtc, isQuiesced ? Consistency.FileSystem : Consistency.Crash, reason,
                MachineChecks.Warn(machine, wanted), MachineChecks.CountForeign(machine), hadHeartbeat));
        }
        catch (Exception failure)
        {
            using Deadline limit = Clock.CreateDeadline(s_cleanUpLimit, CancellationToken.None);
            try
            {
                if (reading is not null) await reading.DisposeAsync().ConfigureAwait(false);
                await snapshots.RemoveAsync(machine.Reference, machine.Name, mark.RunId,
                    limit.Token).ConfigureAwait(false);
            }
            catch (Exception left) when (left is NataliaException or OperationCanceledException)
            {
                throw SnapshotService.NotCleared(machine.Name, mark, failure, left);
            }
            finally
            {
                keepAlive.Dispose();
            }
            throw;
        }
    }

    internal async Task<IReadOnlyList<Leftover>> FindLeftoversAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken)
    {
        var found = new List<Leftover>();
        if (appliance is not null)
        {
            Add(await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false), found);
            return found;
        }
        IEnumerable<VimReference> all = (await machines.ListAsync(cancellationToken).ConfigureAwait(false))
            .Select(m => m.Reference);
        foreach (VimObject o in await machines.Vim.GetPropertiesAsync(all, VirtualMachine.Paths,
            cancellationToken).ConfigureAwait(false))
            Add(new VirtualMachine(o), found);
        return found;
    }

    internal async Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken)
    {
        foreach ((VimReference reference, string name, string uuid) in await machines.ListAsync(
            cancellationToken).ConfigureAwait(false))
            if (uuid.Length > 0 && MachineFinder.ApplianceIdOf(uuid) == leftover.ApplianceId)
                await snapshots.RemoveAsync(reference, name, leftover.RunId, cancellationToken).ConfigureAwait(false);
    }

    internal Task RemoveAsync(FrozenMachine machine, SnapshotMark mark, CancellationToken cancellationToken) =>
        snapshots.RemoveAsync(machine.Machine, machine.Name, mark.RunId, cancellationToken);

    /// <summary>Whoever removes a snapshot while it is read has the server merge newer bytes into its files.</summary>
    /// <exception cref="NataliaException"><c>DiskChangedWhileRead</c>.</exception>
    internal async Task RequireStandingAsync(FrozenMachine machine, SnapshotMark mark,
        CancellationToken cancellationToken)
    {
        if (!await snapshots.IsThereAsync(machine.Machine, mark.RunId, cancellationToken).ConfigureAwait(false))
            throw new NataliaException(ErrorIds.DiskChangedWhileRead, NataliaErrorKind.InvalidOperation,
                $"The snapshot of '{machine.Name}' was removed while it was read, so that newer bytes may be among "
                + "what was read.", machine.Name,
                "See among the VM's tasks who removed it, and run the backup again.");
    }

    internal async Task<bool> HasLostHeartbeatAsync(VimReference machine, CancellationToken cancellationToken) =>
        (await machines.Vim.GetPropertiesAsync([machine], ["guestHeartbeatStatus"],
            cancellationToken).ConfigureAwait(false)).FirstOrDefault()?.Text("guestHeartbeatStatus") == "red";

    internal async Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(FrozenMachine machine,
        CancellationToken cancellationToken)
    {
        VirtualMachine? now = await VirtualMachine.ReadAsync(machines.Vim, machine.Machine,
            cancellationToken).ConfigureAwait(false);
        return now is null ? []
            : await FirmwareFile.ReadAsync(machines, now, cancellationToken).ConfigureAwait(false);
    }

    private static void Add(VirtualMachine machine, List<Leftover> found)
    {
        foreach (SnapshotNode snapshot in machine.Snapshots)
            if (SnapshotMark.Of(snapshot, machine) is { IsBackup: true } mark)
                found.Add(new Leftover
                {
                    Id = snapshot.Reference.Value,
                    Description = "a snapshot",
                    ApplianceId = MachineFinder.ApplianceIdOf(machine.InstanceUuid),
                    RepositoryId = mark.RepositoryId,
                    HistoryId = mark.HistoryId,
                    RunId = mark.RunId,
                    CreatedUtc = snapshot.CreatedUtc ?? mark.StartedUtc,
                });
    }

    private Task<VimReference> TakeAsync(VirtualMachine machine, SnapshotMark mark, bool isQuiesced,
        CancellationToken cancellationToken) =>
        snapshots.CreateAsync(machine, mark, isQuiesced, false, null, null, isClearedAgain: true, cancellationToken);

    /// <summary>The disks as the snapshot itself has them: keys, files and changeIds are never those of now.</summary>
    private async Task<FrozenMachine> DescribeAsync(VirtualMachine machine, VimReference snapshot,
        IReadOnlyList<VirtualDiskDevice> wanted, CancellationToken cancellationToken)
    {
        VimObject? read = (await machines.Vim.GetPropertiesAsync([snapshot], ["config"],
            cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        XElement? config = read?["config"];
        IReadOnlyList<VirtualDiskDevice> held = VirtualDiskDevice.Read(config);
        var disks = new List<FrozenVirtualDisk>();
        foreach (VirtualDiskDevice disk in wanted)
        {
            VirtualDiskDevice? frozen = held.FirstOrDefault(d => d.Key == disk.Key && d.Uuid == disk.Uuid);
            if (frozen is not { FileName: string file, SizeBytes: long size })
                throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.InvalidData,
                    $"The snapshot of '{machine.Name}' does not hold the disk '{disk.DiskId}'.", machine.Name,
                    "Look whether the disk was taken away or changed at that moment, and run the backup again.");
            disks.Add(new FrozenVirtualDisk
            {
                DiskId = disk.DiskId,
                Key = frozen.Key,
                SizeBytes = size,
                FileName = file,
                Datastore = frozen.Datastore,
                Uuid = frozen.Uuid,
                ChangeId = frozen.ChangeId,
                BackingType = frozen.BackingType,
                ParentCount = frozen.ParentCount,
            });
        }
        return new FrozenMachine
        {
            Machine = machine.Reference,
            Name = machine.Name,
            Snapshot = snapshot,
            Host = machine.Host,
            DatacenterPath = await machines.DatacenterPathAsync(machine.Parent ?? machine.Host,
                cancellationToken).ConfigureAwait(false),
            Disks = disks,
        };
    }

    private async Task<DateTime?> MadeAsync(VirtualMachine machine, VimReference snapshot,
        CancellationToken cancellationToken)
    {
        VirtualMachine? now = await VirtualMachine.ReadAsync(machines.Vim, machine.Reference,
            cancellationToken).ConfigureAwait(false);
        return now?.Snapshots.FirstOrDefault(s => s.Reference == snapshot)?.CreatedUtc;
    }

    /// <summary>
    /// Whether the failure of a quiesced snapshot may be the guest's: then one without it may work. A server that is
    /// away, forbids it, has no license or still makes the first one is not asked again.
    /// </summary>
    private static bool IsTheGuests(NataliaException e) => e is not SnapshotStillComesException
        && e.ErrorId is ErrorIds.QuiesceFailed or ErrorIds.TaskFailed or ErrorIds.TaskNotFinished;

    private static NataliaException Silent(VirtualMachine machine, Exception? inner) =>
        new(ErrorIds.GuestNotReachable, NataliaErrorKind.InvalidOperation,
            $"'{machine.Name}' was not backed up: {StillFrozen}", machine.Name,
            "If it does not answer, reset it. Then look why the guest does not thaw: its logs of VMware Tools, and "
            + "scripts in /etc/vmware-tools/backupScripts.d. Set-NataliaAppliance -NeverQuiesce makes crash-consistent "
            + "points meanwhile.", inner);

    private static NataliaException NotQuiesced(VirtualMachine machine, string why, Exception? inner) =>
        new(ErrorIds.QuiesceFailed, NataliaErrorKind.InvalidOperation,
            $"'{machine.Name}' was not backed up, because its guest did not put its data in order. {why}",
            machine.Name,
            "See that open-vm-tools run in the guest and that its freeze scripts end well, or let crash-consistent "
            + "points be made: Set-NataliaAppliance -OnQuiesceFailure Crash.", inner);
}
