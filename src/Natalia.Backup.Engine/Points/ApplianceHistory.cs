using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// What a repository of this product knows of one appliance: the points that are there, those that were made since a
/// time, and what was done with them. Immutable.
/// </summary>
public sealed record ApplianceHistory
{
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What the log calls it; null when it has no name for it.</summary>
    public string? Name { get; init; }
    /// <summary>Its settings; null when it is not enrolled.</summary>
    public ApplianceSettings? Settings { get; init; }
    /// <summary>When they were set, UTC; null without settings.</summary>
    public DateTime? SettingsUtc { get; init; }
    /// <summary>When its enrolment ended, UTC; null while it is enrolled, or where it never was.</summary>
    public DateTime? EnrolmentEndedUtc { get; init; }
    /// <summary>The hash of the record that set them; null without settings.</summary>
    public string? SettingsRecordHash { get; init; }
    /// <summary>
    /// The policy that was set for it alone; null without one: then the default of the repository holds.
    /// </summary>
    public StoredRetentionPolicy? RetentionPolicy { get; init; }
    /// <summary>The points that are there, newest first; also those that cannot be read.</summary>
    public IReadOnlyList<RestorePoint> Points { get; init; } = [];
    /// <summary>
    /// The points that were recorded since the time, and some from before it, in no particular order; copies too.
    /// </summary>
    public IReadOnlyList<MadePoint> Made { get; init; } = [];
    /// <summary>The time of the state of the first point that was ever recorded, UTC; null without any.</summary>
    public DateTime? FirstMadeUtc { get; init; }
    /// <summary>When points were last read as a whole and found good, UTC, by their ids.</summary>
    public IReadOnlyDictionary<string, DateTime> VerifiedUtc { get; init; } = new Dictionary<string, DateTime>();
    /// <summary>The hashes of the records of those verifications, by the points' ids.</summary>
    public IReadOnlyDictionary<string, string> VerificationHashes { get; init; } = new Dictionary<string, string>();
    /// <summary>
    /// The records of restore tests, whenever they were, and evidence about other repositories since the time.
    /// </summary>
    public IReadOnlyList<AuditRecord> Evidence { get; init; } = [];
}
