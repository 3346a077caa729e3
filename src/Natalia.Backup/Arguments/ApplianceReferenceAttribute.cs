using System.Management.Automation;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Takes an appliance, its name or a wildcard; also a VM of the hypervisor's own module, by its name.
/// </summary>
public sealed class ApplianceReferenceAttribute : ReferenceArgumentAttribute
{
    /// <summary>
    /// The command takes restore points too, by another parameter: one that is piped in is not an appliance. Elsewhere
    /// a point stands for its appliance.
    /// </summary>
    public bool LeaveRestorePoints { get; set; }

    /// <summary>
    /// The command does something with the VM: an appliance whose VM took another one's place stands for that VM, whose
    /// id is its own. Elsewhere it stands for the history that goes on.
    /// </summary>
    public bool MeansVM { get; set; }

    private protected override string Expected => "an appliance, a name or a wildcard";

    private protected override bool Leaves(PSObject value) =>
        LeaveRestorePoints && value.Properties["RestorePointId"] is not null;

    private protected override string? Describe(PSObject value)
    {
        if (Text(value, nameof(Appliance.ApplianceId)) is string id)
        {
            // Should it be gone, it can be told by its name.
            if ((Text(value, "ApplianceName") ?? Text(value, "Name")) is string own)
                RunspaceSessions.TryForCurrent()?.Completion.RememberName(id, own);
            return (MeansVM ? Text(value, nameof(Operations.Appliances.Appliance.SuccessorId)) : null) ?? id;
        }
        // A row that somebody made, of a CSV file for instance, names it in one of the ways that a person would.
        string? name = Text(value, "VMName") ?? Text(value, "ApplianceName")
            ?? (value.BaseObject is PSCustomObject ? Text(value, "Appliance") ?? Text(value, "Name") : null)
            ?? (value.TypeNames.Any(t => t.Contains("VirtualMachine")) ? Text(value, "Name") : null);
        return name is null ? null : WildcardPattern.Escape(name);
    }
}
