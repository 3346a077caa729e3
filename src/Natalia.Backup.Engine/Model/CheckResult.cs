namespace Natalia.Backup.Engine.Model;

/// <summary>How a check ended.</summary>
public enum CheckOutcome
{
    /// <summary>There was nothing to base a verdict on.</summary>
    NotEvidenced = 0,
    /// <summary>As it should be.</summary>
    Passed,
    /// <summary>Not as it should be.</summary>
    Failed,
    /// <summary>Works, but somebody should look at it.</summary>
    Warning,
    /// <summary>Not run, with the reason in the detail.</summary>
    Skipped,
}

/// <summary>One check, the same shape wherever the product tests something. Immutable and job-safe.</summary>
public sealed record CheckResult
{
    /// <summary>What was checked: a stable name for scripts.</summary>
    public required string Name { get; init; }
    /// <summary>How it ended.</summary>
    public required CheckOutcome Result { get; init; }
    /// <summary>What was checked, for a person: a point, an object, a path; or null.</summary>
    public string? Target { get; init; }
    /// <summary>What should be, or null.</summary>
    public string? Expected { get; init; }
    /// <summary>What is, or null.</summary>
    public string? Actual { get; init; }
    /// <summary>By how much it may differ, or null.</summary>
    public string? Tolerance { get; init; }
    /// <summary>How long the check took.</summary>
    public TimeSpan Duration { get; init; }
    /// <summary>A full sentence, or null when there is nothing to add.</summary>
    public string? Detail { get; init; }
    /// <summary>The error id that belongs to a failure, or null.</summary>
    public string? ErrorId { get; init; }
    /// <summary>The restore point concerned, or null.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>The appliance concerned, or null.</summary>
    public string? ApplianceId { get; init; }
    /// <summary>What the appliance is called, or null.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The name of the repository session that was asked; null when none was.</summary>
    public string? Repository { get; init; }
    /// <summary>The repository concerned, or null.</summary>
    public string? RepositoryId { get; init; }
    /// <summary>The name of the hypervisor session that was asked; null when none was.</summary>
    public string? Hypervisor { get; init; }
    /// <summary>For how many checks this stands: more than 1 where those that passed are told together.</summary>
    public int CheckCount { get; init; } = 1;

    /// <summary>Name and result.</summary>
    public override string ToString() => $"{Name}: {Result}";
}
