using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Restore;

/// <summary>A VM that was restored.</summary>
/// <param name="Appliance">The VM as it was read back.</param>
/// <param name="Duration">How long it took, its start not counted.</param>
/// <param name="Warnings">What the user should know although it succeeded, in full sentences.</param>
/// <param name="StartFailure">Why it was not started although that was asked for; null when nothing went
/// wrong.</param>
internal sealed record RestoredAppliance(ApplianceDescription Appliance, TimeSpan Duration,
    IReadOnlyList<string> Warnings, Exception? StartFailure);
