using System.Management.Automation;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Takes a hypervisor session or its name.</summary>
public sealed class HypervisorReferenceAttribute : ReferenceArgumentAttribute
{
    private protected override string Expected => "a hypervisor session, or the name of one";

    private protected override string? Describe(PSObject value) =>
        value.Properties[nameof(HypervisorSession.Kind)] is not null
        && value.Properties[nameof(HypervisorSession.Location)] is not null
            ? Text(value, nameof(HypervisorSession.Name))
            : null;
}
