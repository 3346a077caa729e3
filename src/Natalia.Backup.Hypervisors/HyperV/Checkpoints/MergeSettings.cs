using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Checkpoints;

/// <summary>Whether the host may merge the disks of a VM. A product that died may have left it switched off.</summary>
internal static class MergeSettings
{
    internal const string Advice = "The merging of its disks is switched off on the host, as another product may have "
        + "left it: its checkpoints' files grow for ever. See docs/hyperv.md how it is switched on.";

    // Msvm_DiskMergeSettingData.EnabledState: 0 temporarily disabled. Its InstanceID holds the VM's id.
    internal static async Task<bool> AreOffAsync(Machine machine, CancellationToken cancellationToken) =>
        (await machine.Host.QueryAsync(Wql.All("Msvm_DiskMergeSettingData"), cancellationToken).ConfigureAwait(false))
        .Any(m => m.Number("EnabledState") == 0
            && m.Text("InstanceID")?.IndexOf(machine.Id, StringComparison.OrdinalIgnoreCase) >= 0);
}
