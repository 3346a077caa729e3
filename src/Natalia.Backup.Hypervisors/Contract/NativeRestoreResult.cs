using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>What a restore made.</summary>
/// <param name="Appliance">The VM as it was read back afterwards.</param>
/// <param name="Duration">How long the restore took, without the start.</param>
/// <param name="Warnings">What a person should know; full sentences.</param>
public sealed record NativeRestoreResult(ApplianceDescription Appliance, TimeSpan Duration,
    IReadOnlyList<string> Warnings);
