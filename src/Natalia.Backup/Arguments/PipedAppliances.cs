using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Arguments;

/// <summary>Which appliances something means that is piped in and brings no id of one.</summary>
internal static class PipedAppliances
{
    private static readonly ApplianceReferenceAttribute s_reference = new();

    /// <summary>
    /// The appliances that a thing names that brought no id: a text, a row of a file, a VM of the hypervisor's own
    /// module. Where nothing is named, everything is meant; of what is piped in, a repository's session alone means
    /// that.
    /// </summary>
    /// <exception cref="NataliaException"><c>InputRefused</c>: it names none.</exception>
    internal static IReadOnlyList<string> NamesOf(PSObject? input)
    {
        if (input is null || PipedReport.Kind(input) == nameof(RepositorySession)) return [];
        object? named;
        try
        {
            named = s_reference.Transform(null!, input);
        }
        catch (ArgumentTransformationMetadataException)
        {
            named = null;
        }
        string[] names = [.. (named as string[] ?? [named as string ?? ""]).Where(n => n.Length > 0)];
        if (names.Length == 0)
            throw PipedReport.Refused(input, "it names no appliance",
                "Pipe what Get-NataliaAppliance lists, names, or rows with a property VMName; for all appliances of a "
                + "repository, give -Repository alone.");
        return names;
    }
}
