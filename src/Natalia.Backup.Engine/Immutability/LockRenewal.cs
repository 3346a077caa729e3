namespace Natalia.Backup.Engine.Immutability;

/// <summary>What extending the locks of an appliance's kept points came to. Immutable and job-safe.</summary>
public sealed record LockRenewal
{
    /// <summary>The appliance.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>
    /// How many points the policy keeps; null when the locks were known to last long enough, so that nobody looked.
    /// </summary>
    public int? KeptPoints { get; init; }
    /// <summary>How many objects got a later lock, each read back; 0 when all lasted long enough.</summary>
    public int ExtendedObjects { get; init; }
    /// <summary>How many bytes the packs among them hold.</summary>
    public long ExtendedBytes { get; init; }
    /// <summary>
    /// Until when everything that any kept point needs is locked, UTC, those named by <see cref="Failures"/> excepted;
    /// null when there is no point.
    /// </summary>
    public DateTime? LockedUntilUtc { get; init; }
    /// <summary>From when on a run extends the locks again, UTC; null when there is no point.</summary>
    public DateTime? NextRenewalUtc { get; init; }
    /// <summary>How many requests it took; null where the store does not count.</summary>
    public long? Requests { get; init; }
    /// <summary>
    /// A sentence for each point whose locks could not be extended, because it is damaged or the store refused. Empty
    /// when all is well.
    /// </summary>
    public IReadOnlyList<string> Failures { get; init; } = [];

    /// <summary>What was done, in a sentence.</summary>
    public override string ToString() =>
        ExtendedObjects == 0
            ? $"locks last until {LockedUntilUtc:yyyy-MM-dd}"
            : $"{Plural.Count(ExtendedObjects, "lock")} extended until {LockedUntilUtc:yyyy-MM-dd}";
}
