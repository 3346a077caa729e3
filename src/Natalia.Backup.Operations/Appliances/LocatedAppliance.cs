using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>A VM and the connection that shows it.</summary>
internal sealed record LocatedAppliance(HypervisorConnection Hypervisor, ApplianceDescription Description)
{
    /// <summary>The ids of appliances whose place it took, as far as somebody asked for them.</summary>
    internal IReadOnlyList<string> StandsFor { get; init; } = [];

    /// <summary>
    /// Whether another VM took its place, as far as somebody asked: then it is not the appliance any more.
    /// </summary>
    internal bool IsReplaced { get; init; }

    /// <summary>Whether an id means this VM: its own, or that of an appliance whose place it took.</summary>
    internal bool Is(string applianceId) => Description.ApplianceId == applianceId || StandsFor.Contains(applianceId);
}
