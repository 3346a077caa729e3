using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Retention;

/// <summary>Where retention policies and protections are kept: a repository's log, or the jobs and flags of a native protector. All members may be called from any thread.</summary>
public interface IRetentionStore
{
    /// <summary>The policies that are set: the repository's default and those of single appliances. Empty when none was ever set.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<StoredRetentionPolicy>> GetRetentionPoliciesAsync(CancellationToken cancellationToken);

    /// <summary>Sets the policy of an appliance, or the repository's default. Removes no point.</summary>
    /// <param name="applianceId">Whose policy; null sets the repository's default.</param>
    /// <param name="policy">The policy; null takes the appliance's own away, so that the default holds for it again.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RetentionPolicyKeepsNothing</c> for a policy without limits.</exception>
    Task SetRetentionPolicyAsync(string? applianceId, RetentionPolicy? policy, CancellationToken cancellationToken);

    /// <summary>Protects a point from removal, or lifts that. Recorded with its reason, also when nothing changes.</summary>
    /// <returns>The point as it is then.</returns>
    /// <param name="point">The point.</param>
    /// <param name="isProtected">Whether it is to be protected.</param>
    /// <param name="reason">Why, for the audit log.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>.</exception>
    Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason, CancellationToken cancellationToken);
}
