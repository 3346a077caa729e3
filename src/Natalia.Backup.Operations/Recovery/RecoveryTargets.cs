using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// What the appliance's backup procedure promises for a strategy, and what it grants. Pure. docs/evidence.md.
/// </summary>
internal static class RecoveryTargets
{
    /// <summary>Restore tests are due each quarter; the longest one has so many days.</summary>
    internal static readonly TimeSpan RestoreTestAge = TimeSpan.FromDays(92);

    /// <summary>The same as Test-NataliaRestorePoint grants a storage's own verification.</summary>
    internal static readonly TimeSpan VerificationAge = TimeSpan.FromDays(30);

    /// <summary>How much may be lost.</summary>
    internal static TimeSpan Rpo(BackupStrategy strategy) => strategy switch
    {
        BackupStrategy.SixHourly => TimeSpan.FromHours(6),
        BackupStrategy.Replication => TimeSpan.FromMinutes(5),
        _ => TimeSpan.FromHours(24),
    };

    /// <summary>How long it may take until the appliance runs again.</summary>
    internal static TimeSpan Rto(BackupStrategy strategy) => strategy switch
    {
        BackupStrategy.SixHourly => TimeSpan.FromHours(2),
        BackupStrategy.Replication => TimeSpan.FromMinutes(30),
        _ => TimeSpan.FromHours(4),
    };

    /// <summary>How often a backup should be made; a replication comes on top of a daily one.</summary>
    internal static TimeSpan Interval(BackupStrategy strategy) =>
        strategy == BackupStrategy.SixHourly ? TimeSpan.FromHours(6) : TimeSpan.FromHours(24);

    /// <summary>
    /// What the start and the length of a run may add to the time between two points: a twelfth of it, at least a
    /// minute. A daily backup keeps its promise on the day that has 25 hours, too.
    /// </summary>
    internal static TimeSpan Tolerance(TimeSpan interval)
    {
        TimeSpan twelfth = TimeSpan.FromTicks(interval.Ticks / 12);
        return twelfth < TimeSpan.FromMinutes(1) ? TimeSpan.FromMinutes(1) : twelfth;
    }

    /// <summary>A time and what is granted on top of it.</summary>
    internal static TimeSpan Limit(TimeSpan interval) => interval + Tolerance(interval);
}
