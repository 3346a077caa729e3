using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>Which VMs and disks cannot be backed up, and why.</summary>
internal static class MachineChecks
{
    /// <summary>The first hardware version with change tracking.</summary>
    internal const int OldestTracked = 7;

    /// <summary>Why the VM cannot be backed up, and what to do; null when it can.</summary>
    internal static (string Why, string Advice)? WhyNot(VirtualMachine machine)
    {
        if (machine.Config is null)
            return ("the server does not show its configuration", "Give the user the role of docs/vmware.md.");
        if (machine.IsEncrypted)
            return ("it is encrypted, and its files hold cipher text",
                "Back it up from within, or decrypt it: its files could be restored nowhere without the key provider.");
        if (machine.IsTemplate) return ("it is a template, of which no snapshot can be taken", "Make a VM of it.");
        return machine.Connection == "connected" ? null
            : ($"its host says that it is {machine.Connection}", "See the VM on its host.");
    }

    /// <summary>The wanted disks.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotSuitable</c>, <c>DiskNotFound</c>.</exception>
    internal static IReadOnlyList<VirtualDiskDevice> Require(VirtualMachine machine, IEnumerable<string> diskIds)
    {
        if (WhyNot(machine) is (string why, string advice))
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
                $"'{machine.Name}' cannot be backed up: {why}.", machine.Name, advice);
        List<VirtualDiskDevice> wanted = [.. diskIds.Select(machine.Disk)];
        if (wanted.FirstOrDefault(d => d.Obstacle is not null) is VirtualDiskDevice unfit)
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
                $"The disk '{unfit.DiskId}' of '{machine.Name}' cannot be backed up: it {unfit.Obstacle}.",
                machine.Name, "Change the disk, or back up another one: Set-NataliaAppliance -DataDisk.");
        return wanted;
    }

    /// <summary>How many of its snapshots are not ours.</summary>
    internal static int CountForeign(VirtualMachine machine) =>
        machine.Snapshots.Count(s => SnapshotMark.Of(s, machine) is null);

    /// <summary>What people should know of the VM although it can be backed up.</summary>
    internal static IReadOnlyList<string> Warn(VirtualMachine machine, IReadOnlyList<VirtualDiskDevice> wanted)
    {
        var warnings = new List<string>();
        if (machine.NeedsConsolidation)
            warnings.Add("the VM's disks need consolidation: something that was removed is not merged yet. "
                + "Remove-NataliaSnapshot -Consolidate has it done.");
        if (ReplacementMark.Of(machine) is ReplacementMark left)
            warnings.Add($"a replacement of one of its disks, begun at {left.StartedUtc:yyyy-MM-dd HH:mm} UTC, was "
                + $"broken off or is under way; '{left.Former}' or '{left.Folder}' may be left of it. The next "
                + "Restore-NataliaAppliance -TargetAppliance of this VM removes it.");
        if (!machine.IsTracked && wanted.Count > 0)
            warnings.Add("changes are not tracked, so that every backup reads everything. Set-NataliaAppliance "
                + "-EnableChangeTracking switches tracking on; the VM stands still for a moment then.");
        return warnings;
    }
}
