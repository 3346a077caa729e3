using Natalia.Backup.Operations.Appliances;

namespace Natalia.Backup.Operations.Backup;

/// <summary>What one input of the pipeline asks to be backed up.</summary>
/// <param name="Appliances">Which VMs.</param>
/// <param name="ApplianceId">The id whose history goes on; null for each VM's own.</param>
/// <param name="Repository">Where to; null leaves it to enrolments, or to the only one that is connected.</param>
/// <param name="Hypervisors">Where to look for the VMs; null looks everywhere.</param>
internal sealed record WantedBackup(IReadOnlyList<ApplianceSelector> Appliances, string? ApplianceId,
    string? Repository, IReadOnlyList<string>? Hypervisors);
