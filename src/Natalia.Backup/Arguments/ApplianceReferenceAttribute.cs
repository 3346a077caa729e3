using System.Management.Automation;

namespace Natalia.Backup.Arguments;

/// <summary>Takes an appliance, its name or a wildcard; also a VM of the hypervisor's own module, by its name.</summary>
public sealed class ApplianceReferenceAttribute : ReferenceArgumentAttribute
{
    private protected override string Expected => "an appliance, a name or a wildcard";

    private protected override string? Describe(PSObject value)
    {
        // A restore point names an appliance too, but a command that takes both wants the point.
        if (value.Properties["RestorePointId"] is not null) return null;
        if (Text(value, nameof(Appliance.ApplianceId)) is string id) return id;
        string? name = Text(value, "VMName") ?? (value.TypeNames.Any(t => t.Contains("VirtualMachine")) ? Text(value, "Name") : null);
        return name is null ? null : WildcardPattern.Escape(name);
    }
}
