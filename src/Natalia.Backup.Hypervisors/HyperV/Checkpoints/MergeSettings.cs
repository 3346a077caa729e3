using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Checkpoints;

/// <summary>
/// Whether the host may merge the disks of a VM. An export without storage switches it off, and a product that died, or
/// never switched it on again, leaves it so: the files of every later checkpoint grow for ever.
/// </summary>
internal static class MergeSettings
{
    private const string Class = "Msvm_DiskMergeSettingData";

    // Msvm_DiskMergeSettingData.EnabledState: 0 temporarily disabled.
    private const uint Off = 0, On = 1;

    internal const string Advice = "The merging of its disks is switched off on the host, as another product may have "
        + "left it: its checkpoints' files grow for ever. The next backup switches it on, unless another product's "
        + "checkpoint stands.";

    /// <summary>How the VM's disks stand; unknown where this user is not told.</summary>
    internal static async Task<MergeState> ReadStateAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (machine.IsMerging) return MergeState.Merging;
        try
        {
            if (await AreOffAsync(machine, cancellationToken).ConfigureAwait(false)) return MergeState.SwitchedOff;
            // What a checkpoint holds is merged when it goes, and not before.
            bool isSplit = machine.Disks.Any(d => d.Path is string path && (IsDifferencing(path, ".avhdx")
                || IsDifferencing(path, ".avhd")));
            return isSplit && (await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false))
                .Snapshots.Count == 0 ? MergeState.Pending : MergeState.Merged;
        }
        catch (NataliaException e) when (e.Kind is not NataliaErrorKind.Connection)
        {
            return MergeState.Unknown;
        }
    }

    private static bool IsDifferencing(string path, string extension) =>
        path.EndsWith(extension, StringComparison.OrdinalIgnoreCase);

    internal static async Task<bool> AreOffAsync(Machine machine, CancellationToken cancellationToken) =>
        await FindOffAsync(machine, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>
    /// Switches merging on where nobody can want it off: no other product's checkpoint stands. Without it our own
    /// checkpoint would be merged never.
    /// </summary>
    /// <returns>What people should know of it, in full sentences; null when it was on.</returns>
    internal static async Task<string?> EnsureOnAsync(Machine machine, bool hasForeignCheckpoint,
        CancellationToken cancellationToken)
    {
        if (await FindOffAsync(machine, cancellationToken).ConfigureAwait(false) is not CimRow setting) return null;
        const string was = "The merging of its disks was switched off on the host, as another product may have left "
            + "it; its checkpoints' files would have grown for ever.";
        if (hasForeignCheckpoint)
            return $"{was} It was left so, because another product's checkpoint stands: see whether that still works. "
                + "docs/hyperv.md tells how merging is switched on.";
        try
        {
            await machine.Host.CallAsync("Msvm_VirtualSystemManagementService", "ModifyDiskMergeSettings",
                new CimArguments { { "SettingData", EmbeddedInstance.From(setting).Set("EnabledState", On).ToText() } },
                cancellationToken).ConfigureAwait(false);
            if (!await AreOffAsync(machine, cancellationToken).ConfigureAwait(false))
                return $"{was} It was switched on again.";
            return $"{was} The host says that it switched it on, and it is still off: see docs/hyperv.md.";
        }
        catch (NataliaException e) when (e.Kind is not NataliaErrorKind.Connection)
        {
            return $"{was} It could not be switched on: {e.Message} See docs/hyperv.md.";
        }
    }

    // Its InstanceID holds the VM's id.
    private static async Task<CimRow?> FindOffAsync(Machine machine, CancellationToken cancellationToken) =>
        (await machine.Host.QueryAsync(Wql.All(Class), cancellationToken).ConfigureAwait(false)).FirstOrDefault(m =>
            m.Number("EnabledState") == Off
            && m.Text("InstanceID")?.IndexOf(machine.Id, StringComparison.OrdinalIgnoreCase) >= 0);
}
