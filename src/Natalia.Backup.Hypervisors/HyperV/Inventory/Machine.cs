using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>A VM as its host describes it at one moment.</summary>
/// <param name="Host">The host that has it: in a cluster the one that owns it now.</param>
/// <param name="System">The Msvm_ComputerSystem.</param>
/// <param name="Settings">Its settings that are in force, Msvm_VirtualSystemSettingData.</param>
/// <param name="Components">The settings of its devices and services.</param>
internal sealed record Machine(HyperVHost Host, CimRow System, CimRow Settings, IReadOnlyList<CimRow> Components)
{
    private const long Enabled = 2, Replica = 2, TestReplica = 3, ExtendedReplica = 4;

    /// <summary>The id, a GUID in capitals.</summary>
    internal string Id => System.Text("Name") ?? "";

    internal string Name => System.Text("ElementName") ?? Id;

    internal CimPath Path => System.Path!;

    internal CimPath SettingsPath => Settings.Path!;

    internal bool IsRunning => System.Number("EnabledState") == Enabled;

    internal IReadOnlyList<long> Status => System.Numbers("OperationalStatus");

    /// <summary>Whether it is the copy that Hyper-V Replica keeps, and not the VM itself.</summary>
    internal bool IsReplica => System.Number("ReplicationMode") is Replica or TestReplica or ExtendedReplica;

    internal IReadOnlyList<DiskSlot> Disks => DiskSlot.Read(Components);

    /// <summary>The first component of a class; null when there is none.</summary>
    internal CimRow? Component(string className) =>
        Components.FirstOrDefault(c => string.Equals(c.ClassName, className, StringComparison.OrdinalIgnoreCase));

    /// <summary>What the VM does at this moment that stands in the way of a backup; null when nothing.</summary>
    internal string? Occupation => Status.Select(Doing).FirstOrDefault(n => n is not null);

    /// <summary>Whether it has a virtual TPM, whose keys only its host's guardian opens.</summary>
    internal bool HasTpm => Component("Msvm_SecuritySettingData")?.Flag("TpmEnabled") == true;

    internal bool IsMerging => Status.Contains(32772);

    // Msvm_ComputerSystem.OperationalStatus.
    private static string? Doing(long status) => status switch
    {
        32768 => "a checkpoint of it is being made",
        32769 => "a checkpoint of it is being applied",
        32770 => "a checkpoint of it is being deleted",
        32772 => "the disks of an earlier checkpoint are being merged",
        32773 => "it is being exported",
        32774 => "it is being migrated",
        _ => null,
    };
}
