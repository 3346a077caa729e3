namespace Natalia.Backup.Engine.Model;

/// <summary>How a repository is after a repair.</summary>
public enum RepairOutcome
{
    /// <summary>Nothing was wrong.</summary>
    Whole = 0,
    /// <summary>Something was wrong, and no restore point is lost by it.</summary>
    Repaired,
    /// <summary>Restore points are lost; all others are whole.</summary>
    PointsLost,
    /// <summary>A part could not be looked at, so that nothing can be said of the whole.</summary>
    NotExamined,
}

/// <summary>What a repair found and did. Immutable and job-safe.</summary>
public sealed record RepairReport
{
    /// <summary>The name of the repository session.</summary>
    public required string Repository { get; init; }
    /// <summary>The repository's id.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>How the repository is now.</summary>
    public RepairOutcome Outcome { get; init; }
    /// <summary>True when nothing was changed: the actions are what would be done.</summary>
    public bool IsWhatIf { get; init; }
    /// <summary>
    /// True when every byte was read; else missing and cut off objects were found, and damage in maps and lists, but
    /// not every changed byte in packs of blocks.
    /// </summary>
    public bool IsFull { get; init; }
    /// <summary>
    /// Restore points of which nothing is known to be lost. That they are whole is proven only where
    /// <see cref="IsFull"/> is true: else their blocks were not read.
    /// </summary>
    public int WholePoints { get; init; }
    /// <summary>Restore points that cannot be restored as a whole, those that were removed for it included.</summary>
    public int LostPoints { get; init; }
    /// <summary>Restore points that were removed because they are lost.</summary>
    public int RemovedPoints { get; init; }
    /// <summary>
    /// Bytes in the store that no readable point needs: those that are given back, and those that are kept because a
    /// lost point may need them.
    /// </summary>
    public long UnneededBytes { get; init; }
    /// <summary>Bytes that were given back; with -WhatIf those that would be.</summary>
    public long FreedBytes { get; init; }
    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }
    /// <summary>Everything that was found; lost points first.</summary>
    public IReadOnlyList<RepairFinding> Findings { get; init => field = ItemList.Of(value); } =
        ItemList.Of<RepairFinding>([]);

    /// <summary>The outcome and the counts of points.</summary>
    public override string ToString() =>
        $"{Outcome}: {Plural.Count(WholePoints, "point")} {(IsFull ? "whole" : "not seen damaged")}, {LostPoints} lost";
}
