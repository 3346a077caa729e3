using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Backups;

/// <summary>Which VMs cannot be backed up, and why.</summary>
internal static class MachineChecks
{
    /// <summary>The first configuration version with recovery checkpoints and change tracking: Server 2016.</summary>
    private const int OldestVersion = 8;

    /// <exception cref="NataliaException"><c>ApplianceNotSuitable</c>.</exception>
    internal static void Require(Machine machine)
    {
        if (WhyNot(machine) is not (string why, string advice)) return;
        throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
            $"'{machine.Name}' cannot be backed up: {why}.", machine.Name, advice);
    }

    /// <summary>Why the VM cannot be backed up, and what to do; null when it can.</summary>
    internal static (string Why, string Advice)? WhyNot(Machine machine)
    {
        if (machine.IsReplica)
            return ("it is the copy that Hyper-V Replica keeps", "Back the VM itself up, on its own host.");
        if (VersionOf(machine) is int version && version < OldestVersion)
            return ($"its configuration has the version {machine.Settings.Text("Version")}, and changes are tracked "
                + $"from {OldestVersion}.0 (Windows Server 2016) on",
                "Switch it off and raise its version: Update-VMVersion. It cannot go back to older hosts then.");
        return machine.System.Number("ReplicationState") switch
        {
            9 or 10 or 11 => ("Hyper-V Replica compares it anew with its copy (resynchronization)",
                "Try again when the replication has come to rest: Get-VMReplication."),
            12 or 13 => ("a failover or failback of it is under way", "Try again when it has ended."),
            _ => ((string, string)?)null,
        };
    }

    private static int? VersionOf(Machine machine) =>
        int.TryParse(machine.Settings.Text("Version")?.Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture,
            out int version) ? version : null;
}
