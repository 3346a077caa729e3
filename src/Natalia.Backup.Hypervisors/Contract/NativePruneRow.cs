namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>What a storage's own retention says about one point.</summary>
/// <param name="RestorePointId">The point.</param>
/// <param name="NativeId">The storage's own name of it.</param>
/// <param name="TimeUtc">The point's time, UTC.</param>
/// <param name="Mark">The verdict.</param>
public sealed record NativePruneRow(string RestorePointId, string NativeId, DateTime TimeUtc, NativePruneMark Mark);
