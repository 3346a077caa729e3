using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>
/// Switches changed block tracking on. A running VM needs a stun before it is in effect (VDDK programming guide,
/// "Enable Changed Block Tracking"): a snapshot is made and removed. With snapshots present the answers would be wrong.
/// </summary>
internal sealed class ChangeTrackingService(MachineFinder machines, SnapshotService snapshots)
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    internal async Task<bool> EnableAsync(ApplianceDescription appliance, string repositoryId,
        CancellationToken cancellationToken)
    {
        VirtualMachine machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        if (machine.IsTracked) return false;
        Require(machine);
        await machines.Vim.RunTaskAsync(machine.Reference, "ReconfigVM_Task",
            [VimXml.Group("spec", VimXml.Element("changeTrackingEnabled", true))],
            new VimTaskOptions(s_limit, $"the new setting of '{machine.Name}'"),
            cancellationToken).ConfigureAwait(false);
        if (machine.IsRunning)
        {
            var mark = new SnapshotMark
            {
                RunId = Guid.NewGuid().ToString("N"),
                RepositoryId = repositoryId,
                HistoryId = appliance.ApplianceId,
                MachineId = machine.InstanceUuid,
                StartedUtc = machines.Vim.Clock.UtcNow(),
            };
            try
            {
                await snapshots.CreateAsync(machine, mark, isQuiesced: false, includesMemory: false, null, null,
                    isClearedAgain: true, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                using Deadline limit = machines.Vim.Clock.CreateDeadline(SnapshotService.RemovalLimit,
                    CancellationToken.None);
                await snapshots.RemoveAsync(machine.Reference, machine.Name, mark.RunId,
                    limit.Token).ConfigureAwait(false);
            }
        }
        VirtualMachine now = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        return now.IsTracked ? true : throw new NataliaException(ErrorIds.ServerError,
            NataliaErrorKind.InvalidOperation,
            $"The server took the setting and does not track the changes of '{machine.Name}'.", machine.Name);
    }

    private static void Require(VirtualMachine machine)
    {
        string? why = machine.Snapshots.Count > 0
                ? "it has snapshots, with which tracking would give wrong answers; remove them first"
            : machine.NeedsConsolidation
                ? "its disks need consolidation first (Remove-NataliaSnapshot -Consolidate)"
            : !machine.CanTrack || machine.HardwareVersion < MachineChecks.OldestTracked
                ? $"its virtual hardware (version {machine.HardwareVersion}) tracks nothing; version "
                    + $"{MachineChecks.OldestTracked} does"
            : null;
        if (why is not null)
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
                $"The changes of '{machine.Name}' cannot be tracked: {why}.", machine.Name);
    }
}
