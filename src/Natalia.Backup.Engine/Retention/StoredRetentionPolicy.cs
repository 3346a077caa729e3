namespace Natalia.Backup.Engine.Retention;

/// <summary>A retention policy as it is kept with a repository.</summary>
/// <param name="ApplianceId">Whose policy it is; null for the repository's default.</param>
/// <param name="ApplianceName">What the appliance was called when the policy was set, or null.</param>
/// <param name="Policy">The policy; one that keeps everything when <paramref name="Damage"/> says that it cannot be
/// read.</param>
/// <param name="SetUtc">When it was set, UTC; null where the repository does not know.</param>
/// <param name="Damage">Why the policy cannot be read, or null. Nothing must be removed by such a one, nor by an older
/// one in its place.</param>
public sealed record StoredRetentionPolicy(string? ApplianceId, string? ApplianceName, RetentionPolicy Policy,
    DateTime? SetUtc, string? Damage = null)
{
    /// <summary>
    /// True when nobody set it for the appliance: it is what the host on which that runs applies by itself.
    /// </summary>
    public bool IsHostDefault { get; init; }

    /// <summary>The policy that holds for an appliance: its own, else the default, else none.</summary>
    /// <param name="policies">What is stored in a repository.</param>
    /// <param name="applianceId">The appliance.</param>
    public static StoredRetentionPolicy? For(IReadOnlyList<StoredRetentionPolicy> policies, string applianceId) =>
        policies.FirstOrDefault(p => p.ApplianceId == applianceId)
        ?? policies.FirstOrDefault(p => p.ApplianceId is null);
}
