namespace Natalia.Backup.Engine.Model;

/// <summary>What an optimization did in one appliance's part of a repository. Immutable and job-safe.</summary>
public sealed record ReclaimResult
{
    /// <summary>The appliance.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What the appliance is called; null when the repository knows no name.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The repository.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>The name of the repository session.</summary>
    public string? Repository { get; init; }
    /// <summary>True when nothing was changed: the numbers are what an optimization would come to. Packs that it would
    /// rewrite were not read; one that is damaged stays as it is.</summary>
    public bool IsWhatIf { get; init; }
    /// <summary>Removed points whose manifests are gone now.</summary>
    public int ForgottenPoints { get; init; }
    /// <summary>Removed points that stay readable until their grace or their object lock has ended.</summary>
    public int WaitingPoints { get; init; }
    /// <summary>Packs that were deleted.</summary>
    public int DeletedPacks { get; init; }
    /// <summary>
    /// Packs that were rewritten without what nobody needs; the old ones go with a later optimization, when readers
    /// have let go of them.
    /// </summary>
    public int RepackedPacks { get; init; }
    /// <summary>Bytes that deleted objects held.</summary>
    public long FreedBytes { get; init; }
    /// <summary>Bytes that rewritten packs hold.</summary>
    public long RewrittenBytes { get; init; }
    /// <summary>Bytes that nobody needs, in packs too full to be worth rewriting.</summary>
    public long DeadBytes { get; init; }
    /// <summary>Deltas that were read to find out: follows what went, not what stays.</summary>
    public int ReadDeltas { get; init; }

    /// <summary>
    /// Why it could not be found out what else is free, and what to do; null when it could. The manifest of a point or
    /// a delta is lost, or two runs made points beside each other because one had lost its lease. No point is harmed by
    /// it.
    /// </summary>
    public string? Reason { get; init; }

    /// <summary>Whose space, and how much of it.</summary>
    public override string ToString() =>
        $"{ApplianceName}: {ByteSize.Format(FreedBytes)} {(IsWhatIf ? "would be " : "")}freed";
}
