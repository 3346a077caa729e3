using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Operations.Retention;

/// <summary>
/// The retention policy that holds for an appliance, or a repository's default. Immutable; every property survives a
/// job or a remote session.
/// </summary>
public sealed record RetentionSetting
{
    /// <summary>The appliance's id; null for a repository's default.</summary>
    public string? ApplianceId { get; init; }
    /// <summary>What the appliance is called; null for a repository's default.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The name of the repository session.</summary>
    public required string Repository { get; init; }
    /// <summary>The repository's id: 32 lowercase hexadecimal digits.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>Where the policy comes from.</summary>
    public RetentionSource Source { get; init; }
    /// <summary>How many of the newest points stay; null when the rule is off.</summary>
    public int? Last { get; init; }
    /// <summary>How many hours keep their newest point; null when the rule is off.</summary>
    public int? Hourly { get; init; }
    /// <summary>How many days keep their newest point; null when the rule is off.</summary>
    public int? Daily { get; init; }
    /// <summary>How many ISO weeks keep their newest point; null when the rule is off.</summary>
    public int? Weekly { get; init; }
    /// <summary>How many months keep their newest point; null when the rule is off.</summary>
    public int? Monthly { get; init; }
    /// <summary>How many years keep their newest point; null when the rule is off.</summary>
    public int? Yearly { get; init; }
    /// <summary>The time zone of the policy; null when no policy is set, or it cannot be read.</summary>
    public string? TimeZone { get; init; }
    /// <summary>
    /// The rules and the zone in one line: <c>last 4, daily 7, weekly 4, monthly 3 (Europe/Paris)</c>; null when no
    /// policy is set, or it cannot be read.
    /// </summary>
    public string? Policy { get; init; }
    /// <summary>When the policy was set, UTC; null when that is not known.</summary>
    public DateTime? SetUtc { get; init; }
    /// <summary>Why the stored policy cannot be read; null when it can. Nothing is removed by such a one.</summary>
    public string? Damage { get; init; }

    /// <summary>
    /// What the policy and the locks of an immutable repository come to together; only from Set-NataliaRetention, and
    /// null where nothing is locked.
    /// </summary>
    public Engine.Immutability.LockEffect? LockEffect { get; init; }

    internal static RetentionSetting Create(string repository, string repositoryId, string? applianceId,
        string? applianceName, StoredRetentionPolicy? stored) =>
        new()
        {
            ApplianceId = applianceId,
            ApplianceName = applianceName,
            Repository = repository,
            RepositoryId = repositoryId,
            Source = stored is null
            ? RetentionSource.None
            : stored.ApplianceId is null
                ? RetentionSource.Repository
                : stored.IsHostDefault ? RetentionSource.Host : RetentionSource.Appliance,
            Last = stored?.Policy.Last,
            Hourly = stored?.Policy.Hourly,
            Daily = stored?.Policy.Daily,
            Weekly = stored?.Policy.Weekly,
            Monthly = stored?.Policy.Monthly,
            Yearly = stored?.Policy.Yearly,
            TimeZone = stored?.Damage is null ? stored?.Policy.TimeZoneId : null,
            Policy = stored?.Damage is null ? stored?.Policy.ToString() : null,
            Damage = stored?.Damage,
            SetUtc = stored?.SetUtc,
        };

    /// <summary>Whose policy it is.</summary>
    public override string ToString() => ApplianceName ?? $"default of {Repository}";
}
