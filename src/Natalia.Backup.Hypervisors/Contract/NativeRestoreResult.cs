using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>What a restore made.</summary>
/// <param name="Appliance">The VM as it was read back afterwards; where it could not be read, its id, its name and
/// nothing more.</param>
/// <param name="Duration">How long the restore took, without the start.</param>
/// <param name="Warnings">What a person should know; full sentences.</param>
/// <param name="Failure">What went wrong when the VM was there: it could not be read back, started or looked at; null
/// when nothing did.</param>
public sealed record NativeRestoreResult(ApplianceDescription Appliance, TimeSpan Duration,
    IReadOnlyList<string> Warnings, NataliaException? Failure = null);
