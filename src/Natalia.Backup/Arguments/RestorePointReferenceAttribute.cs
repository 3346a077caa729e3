using System.Management.Automation;

namespace Natalia.Backup.Arguments;

/// <summary>Takes a restore point or its id.</summary>
public sealed class RestorePointReferenceAttribute : ReferenceArgumentAttribute
{
    private protected override string Expected => "a restore point, or the id of one";

    private protected override string? Describe(PSObject value) => Text(value, "RestorePointId");
}
