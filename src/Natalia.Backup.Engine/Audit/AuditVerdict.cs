namespace Natalia.Backup.Engine.Audit;

/// <summary>What was found out about one log.</summary>
internal sealed record AuditVerdict
{
    /// <summary>What is wrong, by its place in the log; empty when nothing is.</summary>
    internal required IReadOnlyList<AuditBreak> Breaks { get; init; }

    /// <summary>The genuine records.</summary>
    internal required IReadOnlyList<AuditRecord> Records { get; init; }

    /// <summary>The hashes of the records that no other one names, the newest last.</summary>
    internal required IReadOnlyList<string> Heads { get; init; }
}
