namespace Natalia.Backup.Engine.Model;

/// <summary>
/// A key slot: one password that opens a repository. Says nothing of the password. Immutable and job-safe.
/// </summary>
public sealed record RepositoryKey
{
    /// <summary>The slot's id: 32 lowercase hexadecimal digits.</summary>
    public required string KeyId { get; init; }
    /// <summary>What somebody called it; null when nobody did, or it cannot be read.</summary>
    public string? Name { get; init; }
    /// <summary>When it was made, UTC; null when it cannot be read.</summary>
    public DateTime? CreatedUtc { get; init; }
    /// <summary>True when the slot is as it was written, as far as that can be told without its password.</summary>
    public required bool IsWhole { get; init; }
    /// <summary>True when this session has opened the slot with its password.</summary>
    public bool IsProven { get; init; }
    /// <summary>What is wrong with it; null when it is whole.</summary>
    public string? Damage { get; init; }
    /// <summary>The name of the repository session.</summary>
    public required string Repository { get; init; }
    /// <summary>The repository's id.</summary>
    public required string RepositoryId { get; init; }

    /// <summary>Its name, or its id.</summary>
    public override string ToString() => Name ?? KeyId;
}
