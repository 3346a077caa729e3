using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Audit;

/// <summary>What an audit record reports; the word stands in the record's name and in its text.</summary>
internal static class AuditEvents
{
    internal const string RepositoryCreated = "repository-created";
    internal const string KeyAdded = "key-added";
    internal const string KeyRemoved = "key-removed";
    internal const string PointMade = "point-made";
    internal const string PointCopied = "point-copied";
    internal const string PointRemoved = "point-removed";
    internal const string PointVerified = "point-verified";
    internal const string PointProtected = "point-protected";
    internal const string PointUnprotected = "point-unprotected";
    internal const string RestoreTested = "restore-tested";
    internal const string PointRestored = "point-restored";
    internal const string ApplianceSet = "appliance-set";
    internal const string EnrolmentEnded = "enrolment-ended";
    internal const string RetentionSet = "retention-set";
    internal const string Repaired = "repaired";
}

/// <summary>
/// One link of the audit chain: what was done, when, by whom, why, and which records its writer saw. Signed; readable
/// without a password. Immutable and job-safe.
/// </summary>
public sealed record AuditRecord
{
    /// <summary>
    /// The SHA-256 of the record as signed: its identity in the chain, 64 lowercase hexadecimal digits.
    /// </summary>
    public required string RecordHash { get; init; }
    /// <summary>The record's number in its log: greater than those of all records that its writer saw.</summary>
    public required long Number { get; init; }
    /// <summary>
    /// What was done, one of a fixed set of words; those that begin with <c>native-</c> are evidence about another
    /// repository.
    /// </summary>
    public required string Event { get; init; }
    /// <summary>When, by the writer's clock, UTC.</summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>The appliance concerned; null in the repository's own log.</summary>
    public string? ApplianceId { get; init; }
    /// <summary>What the appliance is called in the repository, or null.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The restore point concerned, or null.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>The point's sequence, or null.</summary>
    public long? Sequence { get; init; }
    /// <summary>Why, in the user's or the policy's words; or null.</summary>
    public string? Reason { get; init; }
    /// <summary>Who: user and host, as the writer's system named them.</summary>
    public required string Actor { get; init; }
    /// <summary>The version of the product that wrote it.</summary>
    public required string Tool { get; init; }
    /// <summary>The hashes of the latest records that the writer saw.</summary>
    public required IReadOnlyList<string> Heads { get; init => field = ItemList.Of(value); }
    /// <summary>More, as JSON text, different for each kind of event; or null.</summary>
    public string? Data { get; init; }
    /// <summary>The name of the repository session that it was read through; null when there is none.</summary>
    public string? Repository { get; init; }
    /// <summary>The repository's id; null when it was not read through a session.</summary>
    public string? RepositoryId { get; init; }
    /// <summary>
    /// The id of the repository that the record is evidence about, where that keeps no log of its own; else null.
    /// </summary>
    public string? NativeRepositoryId { get; init; }

    /// <summary>Time, event and reason.</summary>
    public override string ToString() =>
        $"{TimeUtc:yyyy-MM-dd HH:mm:ss}Z {Event}{(Reason is null ? "" : ": " + Reason)}";
}
