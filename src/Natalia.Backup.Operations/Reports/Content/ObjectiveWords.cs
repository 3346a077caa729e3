using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>What people call objectives and verdicts.</summary>
internal static class ObjectiveWords
{
    /// <summary>A title.</summary>
    internal static string Title(RecoveryObjective objective) => objective switch
    {
        RecoveryObjective.Rpo => "Recovery point (RPO)",
        RecoveryObjective.Rto => "Recovery time (RTO)",
        RecoveryObjective.RestoreTestAge => "Restore test",
        RecoveryObjective.Coverage => "Days, weeks, months",
        RecoveryObjective.OffHost => "Off the host",
        RecoveryObjective.Immutability => "Immutability",
        RecoveryObjective.VerificationAge => "Verification",
        RecoveryObjective.Schedule => "Schedule",
        _ => objective.ToString(),
    };

    /// <summary>At most five letters, for the head of a narrow column.</summary>
    internal static string Short(RecoveryObjective objective) => objective switch
    {
        RecoveryObjective.Rpo => "RPO",
        RecoveryObjective.Rto => "RTO",
        RecoveryObjective.RestoreTestAge => "Test",
        RecoveryObjective.Coverage => "GFS",
        RecoveryObjective.OffHost => "Off",
        RecoveryObjective.Immutability => "Lock",
        RecoveryObjective.VerificationAge => "Read",
        RecoveryObjective.Schedule => "Runs",
        _ => "?",
    };

    /// <summary>In words.</summary>
    internal static string Of(RecoveryVerdict verdict) => verdict switch
    {
        RecoveryVerdict.Met => "Met",
        RecoveryVerdict.Missed => "Missed",
        _ => "Not evidenced",
    };
}
