using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>An appliance's settings and the repository that keeps them.</summary>
internal sealed record Enrolment(RepositoryConnection Repository, ApplianceSettings Settings)
{
    /// <summary>
    /// Whether it ended. Then the settings hold the appliance's name and the VMs that stood for it alone.
    /// </summary>
    internal bool IsEnded { get; init; }

    /// <summary>
    /// Whether a VM stands for the appliance: the one that its id was made of, until another one takes its place.
    /// </summary>
    internal bool IsOf(LocatedAppliance located) => Settings.VMId == located.Description.ApplianceId;
}
