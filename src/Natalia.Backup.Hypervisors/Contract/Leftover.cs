namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Something that a backup made on a hypervisor and that stands there: a snapshot, or what a later incremental counts
/// from. It is known as
/// ours by what was recorded when it was made, never by its name or kind alone.
/// </summary>
public sealed record Leftover
{
    /// <summary>The hypervisor's id of it.</summary>
    public required string Id { get; init; }

    /// <summary>What a person would call it, with an article: <c>a snapshot</c>.</summary>
    public required string Description { get; init; }

    /// <summary>The VM that it belongs to, by the id that this hypervisor lists it with.</summary>
    public required string ApplianceId { get; init; }

    /// <summary>The repository that the backup went into.</summary>
    public required string RepositoryId { get; init; }

    /// <summary>The history there that it went into.</summary>
    public required string HistoryId { get; init; }

    /// <summary>The backup that made it.</summary>
    public required string RunId { get; init; }

    /// <summary>The tracking tokens that count from it; none for what is there for one run only.</summary>
    public IReadOnlyList<string> Tokens { get; init; } = [];

    /// <summary>When it was made, UTC; null when unknown.</summary>
    public DateTime? CreatedUtc { get; init; }

    /// <summary>Whether a point counts from it, so that the next incremental needs it.</summary>
    /// <param name="knownTokens">The tokens that the repository's newest points count from.</param>
    public bool IsNeeded(IEnumerable<string> knownTokens) =>
        Tokens.Intersect(knownTokens, StringComparer.Ordinal).Any();
}
