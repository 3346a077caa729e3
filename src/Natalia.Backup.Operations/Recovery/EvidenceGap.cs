namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// The time between two good points that follow each other, or from the newest one until now. Immutable and job-safe.
/// </summary>
/// <param name="FromUtc">The time of the earlier point, UTC.</param>
/// <param name="ToUtc">The time of the later point, UTC; when it was measured, for a gap that is open.</param>
/// <param name="FromPointId">The earlier point.</param>
/// <param name="ToPointId">The later point; null for a gap that is open.</param>
/// <param name="IsOverTarget">Longer than the objective and its tolerance.</param>
/// <param name="IsThinned">True when it says nothing: a retention policy has taken, or would have taken, what was made
/// in between, in a repository that keeps no record of what it made.</param>
public sealed record EvidenceGap(DateTime FromUtc, DateTime ToUtc, string FromPointId, string? ToPointId,
    bool IsOverTarget, bool IsThinned)
{
    /// <summary>How long it is.</summary>
    public TimeSpan Length => ToUtc - FromUtc;

    /// <summary>True when no later point has ended it yet.</summary>
    public bool IsOpen => ToPointId is null;
}
