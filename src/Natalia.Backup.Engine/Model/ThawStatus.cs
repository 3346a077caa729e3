namespace Natalia.Backup.Engine.Model;

/// <summary>
/// How far what a restore point needs can be read: what lies in an archive class, and what is being thawed. Immutable
/// and job-safe.
/// </summary>
public sealed record ThawStatus
{
    /// <summary>The restore point.</summary>
    public required string RestorePointId { get; init; }
    /// <summary>Its appliance.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What the appliance was called.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>The time of the state that the point holds, UTC.</summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>The repository's id.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>The name of the repository session.</summary>
    public required string Repository { get; init; }
    /// <summary>How many packs of blocks the point needs.</summary>
    public int Objects { get; init; }
    /// <summary>How many bytes they hold.</summary>
    public long Bytes { get; init; }
    /// <summary>How many of them can be read now.</summary>
    public int ReadableObjects { get; init; }
    /// <summary>How many are being thawed, those included that were asked for just now.</summary>
    public int ThawingObjects { get; init; }
    /// <summary>How many bytes those hold.</summary>
    public long ThawingBytes { get; init; }
    /// <summary>How many lie in an archive class, and nobody has asked for them.</summary>
    public int ArchivedObjects { get; init; }
    /// <summary>How many bytes those hold.</summary>
    public long ArchivedBytes { get; init; }
    /// <summary>For how many days what was asked for just now stays readable; null when nothing was.</summary>
    public int? Days { get; init; }
    /// <summary>
    /// By when what is being thawed is usually readable, UTC: the time to come back. Null when nothing is being thawed.
    /// </summary>
    public DateTime? ExpectedUtc { get; init; }

    /// <summary>True when everything can be read now.</summary>
    public bool IsReadable => ThawingObjects == 0 && ArchivedObjects == 0;

    /// <summary>The numbers, short.</summary>
    public override string ToString() =>
        $"{ReadableObjects} of {Plural.Count(Objects, "object")} readable, "
            + $"{ThawingObjects} thawing, {ArchivedObjects} archived";
}
