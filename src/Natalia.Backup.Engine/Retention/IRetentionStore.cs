using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Retention;

/// <summary>Where retention policies and protections are kept: a repository's log, or the jobs and flags of a native protector. All members may be called from any thread.</summary>
public interface IRetentionStore
{
    /// <summary>The policies that are set: the repository's default and those of single appliances. Empty when none was ever set.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<StoredRetentionPolicy>> GetRetentionPoliciesAsync(CancellationToken cancellationToken);

    /// <summary>The time zone in which the store applies every policy, whatever the policy says; null where the policy's own counts.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    Task<string?> GetFixedTimeZoneAsync(CancellationToken cancellationToken);

    /// <summary>Sets the policy of an appliance, or the repository's default. Removes no point.</summary>
    /// <param name="applianceId">Whose policy; null sets the repository's default.</param>
    /// <param name="applianceName">What it is called now; shown where nothing else tells, as before its first backup. Null for the default.</param>
    /// <param name="policy">The policy; null takes it away. An appliance without one of its own has the default.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RetentionPolicyKeepsNothing</c> for a policy without limits, <c>TimeZoneNotFound</c>, <c>PasswordRequired</c>.</exception>
    Task SetRetentionPolicyAsync(string? applianceId, string? applianceName, RetentionPolicy? policy, CancellationToken cancellationToken);

    /// <summary>Tells of points what a plan must know beyond what a list shows: which are known to be damaged, which a restore reads.</summary>
    /// <param name="points">Points of this store.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>As many, in the same order.</returns>
    Task<IReadOnlyList<RetentionPoint>> DescribeForRetentionAsync(IReadOnlyList<RestorePoint> points, CancellationToken cancellationToken);

    /// <summary>Removes points of one appliance, one after another, under one lease.</summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="removals">The points, each of this appliance, and why.</param>
    /// <param name="removed">Told of each point when its removal is recorded, or with the reason why that point could not be removed: the others are removed all the same. Called on any thread, one call at a time.</param>
    /// <param name="cancellationToken">Stops it between two points.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>, a store error: what concerns them all.</exception>
    Task RemoveRestorePointsAsync(string applianceId, IReadOnlyList<PointRemoval> removals, Action<RestorePoint, NataliaException?> removed, CancellationToken cancellationToken);

    /// <summary>Protects a point from removal, or lifts that. Recorded with its reason, also when nothing changes. Possible while a backup of the appliance runs.</summary>
    /// <returns>The point as it is then.</returns>
    /// <param name="point">The point.</param>
    /// <param name="isProtected">Whether it is to be protected.</param>
    /// <param name="reason">Why, for the audit log.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>PasswordRequired</c>.</exception>
    Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason, CancellationToken cancellationToken);
}
