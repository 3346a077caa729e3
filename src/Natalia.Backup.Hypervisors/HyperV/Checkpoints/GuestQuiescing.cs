using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Guests;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Checkpoints;

/// <summary>What a guest can do before its disks are frozen.</summary>
internal static class GuestQuiescing
{
    private const string Vss = "Msvm_VssComponent";

    /// <summary>Why the guest cannot be asked, in a full sentence; null when it can.</summary>
    internal static async Task<string?> WhyNotAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (machine.Component("Msvm_VssComponentSettingData") is CimRow setting && setting.Number("EnabledState") == 3)
            return "The integration service for backups (volume checkpoint) is switched off for the VM.";
        IReadOnlyList<CimRow> found = await machine.Host.AssociatorsAsync(machine.Path, "Msvm_SystemDevice", Vss,
            cancellationToken).ConfigureAwait(false);
        // Msvm_VssComponent.OperationalStatus; 3 is an older version that works.
        return found.Count == 0 ? "The guest has no integration service for backups."
            : found[0].Numbers("OperationalStatus").FirstOrDefault() switch
            {
                2 or 3 => null,
                7 => "The guest's integration service for backups does not fit the host's version.",
                12 => "The guest's integration service for backups was never heard of: in a Linux guest "
                    + "hv_vss_daemon has to run.",
                13 => "The guest's integration service for backups does not answer any more.",
                long other => $"The guest's integration service for backups is in the state {other}.",
            };
    }

    /// <summary>
    /// What a checkpoint reaches for which the guest was asked: Windows has its programs take part, any other guest
    /// freezes its file systems.
    /// </summary>
    internal static async Task<Consistency> ReachAsync(Machine machine, CancellationToken cancellationToken) =>
        (await GuestFacts.ReadAsync(machine, "OSName", cancellationToken).ConfigureAwait(false))?
            .StartsWith("Windows", StringComparison.OrdinalIgnoreCase) == true
            ? Consistency.Application
            : Consistency.FileSystem;
}
