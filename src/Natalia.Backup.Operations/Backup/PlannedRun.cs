using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.BusinessDays;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Backup;

/// <summary>One appliance to back up into one repository.</summary>
/// <param name="Located">The VM as its hypervisor shows it.</param>
/// <param name="ApplianceId">The id whose history goes on: the VM's own, or an older one when the VM was restored from
/// it.</param>
/// <param name="Disks">The disks to take, with the roles to keep.</param>
/// <param name="Repository">Where to.</param>
/// <param name="Target">The appliance as the user knows it; the target of errors.</param>
internal sealed record PlannedRun(LocatedAppliance Located, string ApplianceId, IReadOnlyList<ApplianceDisk> Disks,
    RepositoryConnection Repository, Appliance Target)
{
    /// <summary>The VM that stood for the appliance in the repository when this was planned; null for none.</summary>
    internal string? StandingVMId { get; init; }

    /// <summary>
    /// The repositories that did not tell whether another VM took the appliance's place, where the one that is backed
    /// up into does not know the appliance's VM either; empty where nothing is missing.
    /// </summary>
    internal IReadOnlyList<RepositoryConnection> Unheard { get; init; } = [];

    /// <summary>What happens when the guest does not put its data in order.</summary>
    internal QuiesceFailure OnQuiesceFailure { get; init; }

    /// <summary>Whether the guest is not asked at all.</summary>
    internal bool NeverQuiesce { get; init; }

    /// <summary>How the hypervisor makes the point itself; null where this product does.</summary>
    internal NativeBackupRequest? NativeRequest { get; init; }

    /// <summary>How the appliance is restore-tested, as its enrolment says; or null.</summary>
    internal RestoreTestSettings? RestoreTest { get; init; }

    /// <summary>Tells the business day that call records are counted of.</summary>
    internal BusinessCalendar Calendar { get; init; } = BusinessCalendar.Default;

    /// <summary>The count of call records that the user gave, or null.</summary>
    internal long? GivenCdrBaseline { get; init; }
}
