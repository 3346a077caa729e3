using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// Where restore points are, whoever put them there: a repository of this product, or a storage into which a hypervisor
/// puts them by itself. What both do alike; making points and restoring them is each one's own. All members may be
/// called from any thread. Dates are UTC, sizes are bytes, and what is not known is null.
/// </summary>
public interface IPointRepository
{
    /// <summary>The repository's id: 32 lowercase hexadecimal digits, the same on every machine.</summary>
    string RepositoryId { get; }

    /// <summary>The session's name.</summary>
    string Label { get; }

    /// <summary>The kind, as in <see cref="RestorePoint.RepositoryKind"/>.</summary>
    string Kind { get; }

    /// <summary>Where it is, without secrets.</summary>
    string Location { get; }

    /// <summary>
    /// The restore points, newest first; those of the future, whose time cannot be true, last. Missing rights are an
    /// error, never an empty list.
    /// </summary>
    /// <param name="filter">Which are wanted.</param>
    /// <param name="onTrouble">
    /// Told of each point that cannot be read (<c>ManifestDamaged</c>), of what lies there and is none
    /// (<c>ManifestUnknown</c>), and of each part that is out of reach now (<c>StoreUnavailable</c>); the others are
    /// listed all the same. Null throws at the first of the former, and takes no notice of the latter.
    /// </param>
    /// <param name="onMissing">Told of each appliance of which points are missing that were made and not removed, as
    /// far as the repository can know; or null.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ManifestDamaged</c>, <c>PermissionDenied</c>,
    /// <c>StorageNotFound</c>.</exception>
    Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter,
        Action<NataliaException>? onTrouble, Action<MissingPoints>? onMissing, CancellationToken cancellationToken);

    /// <summary>
    /// Proves a point as far as that can be done from here: by reading all of it, or by what the storage knows of its
    /// own verification. Damage is a Failed result, not an exception.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="maximumAge">Where the storage verifies by itself: how old its verification may be before that is a
    /// warning.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>PasswordRequired</c>.</exception>
    Task<IReadOnlyList<CheckResult>> VerifyAsync(RestorePoint point, TimeSpan maximumAge,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>The VM configuration kept with a point.</summary>
    /// <param name="point">The point.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>ManifestDamaged</c>,
    /// <c>ConfigurationNotStored</c>, <c>PackMissing</c>, <c>ObjectDamaged</c>.</exception>
    Task<ApplianceDescription> GetConfigurationAsync(RestorePoint point, CancellationToken cancellationToken);

    /// <summary>
    /// Protects a point from removal, or lifts that. A repository of this product records it with its reason; not where
    /// nothing is new: of a point that is protected for that reason already, or is to be lifted and is not protected.
    /// Possible while a backup of the appliance runs.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="isProtected">Whether it is to be protected.</param>
    /// <param name="reason">Why, for the audit log.</param>
    /// <returns>The point as it is then.</returns>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>PasswordRequired</c>,
    /// <c>PermissionDenied</c>.</exception>
    Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason,
        CancellationToken cancellationToken);

    /// <summary>
    /// Why a point could not be removed as things are now, or null when it could, as far as can be seen. Changes
    /// nothing: a removal looks again.
    /// </summary>
    /// <param name="point">The point.</param>
    Task<NataliaException?> FindRemovalRefusalAsync(RestorePoint point, CancellationToken cancellationToken);

    /// <summary>Removes a point for ever.</summary>
    /// <param name="point">The point.</param>
    /// <param name="reason">Why, for the audit log.</param>
    /// <param name="cancellationToken">Stops it, or the wait for it.</param>
    /// <exception cref="NataliaException">
    /// <c>RestorePointNotFound</c>, <c>RestorePointProtected</c>, <c>RestorePointLocked</c>,
    /// <c>RestorePointIsNewest</c>, <c>RestorePointInUse</c>, <c>LeaseHeld</c>, <c>PermissionDenied</c>.
    /// </exception>
    Task RemoveRestorePointAsync(RestorePoint point, string reason, CancellationToken cancellationToken);

    /// <summary>
    /// Removes points of one appliance, one after another; in a repository of this product under one lease.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="removals">The points, each of this appliance, and why.</param>
    /// <param name="removed">
    /// Told of each point when its removal is recorded, or with the reason why that point could not be removed: the
    /// others are removed all the same. Called on any thread, one call at a time. <c>RetentionPlanOutdated</c> where,
    /// in a repository of this product, what the removal goes back to has gone.
    /// </param>
    /// <param name="cancellationToken">Stops it between two points.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>, a store error: what concerns them
    /// all.</exception>
    Task RemoveRestorePointsAsync(string applianceId, IReadOnlyList<PointRemoval> removals,
        Action<RestorePoint, NataliaException?> removed, CancellationToken cancellationToken);

    /// <summary>
    /// The retention policies that are set: the default and those of single appliances. Empty when none was ever set.
    /// </summary>
    Task<IReadOnlyList<StoredRetentionPolicy>> GetRetentionPoliciesAsync(CancellationToken cancellationToken);

    /// <summary>
    /// The time zone in which every policy is applied here, whatever the policy says; null where the policy's own
    /// counts.
    /// </summary>
    Task<string?> GetFixedTimeZoneAsync(CancellationToken cancellationToken);

    /// <summary>Sets the policy of an appliance, or the default. Removes no point.</summary>
    /// <param name="applianceId">Whose policy; null sets the default.</param>
    /// <param name="applianceName">What it is called now; shown where nothing else tells, as before its first backup.
    /// Null for the default.</param>
    /// <param name="policy">The policy; null takes it away. An appliance without one of its own has the
    /// default.</param>
    /// <exception cref="NataliaException"><c>RetentionPolicyKeepsNothing</c> for a policy without limits,
    /// <c>TimeZoneNotFound</c>, <c>PasswordRequired</c>, <c>CapabilityMissing</c>.</exception>
    Task SetRetentionPolicyAsync(string? applianceId, string? applianceName, RetentionPolicy? policy,
        CancellationToken cancellationToken);

    /// <summary>
    /// Tells of points what a plan must know beyond what a list shows: which are known to be damaged, which a restore
    /// reads.
    /// </summary>
    /// <param name="points">Points of this repository.</param>
    /// <returns>As many, in the same order.</returns>
    Task<IReadOnlyList<RetentionPoint>> DescribeForRetentionAsync(IReadOnlyList<RestorePoint> points,
        CancellationToken cancellationToken);

    /// <summary>
    /// The settings of the appliances that are enrolled here. In a hypervisor's storage one that a schedule of this
    /// product backs up to here is enrolled, too.
    /// </summary>
    /// <param name="appliances">Where enrolments are kept with the VMs: those to look at, as the hypervisor describes
    /// them; null looks at all.</param>
    Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(IReadOnlyList<ApplianceDescription>? appliances,
        CancellationToken cancellationToken);

    /// <summary>Enrols an appliance, or changes its settings.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="settings">All settings, also the unchanged ones.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>, <c>ApplianceNotFound</c>,
    /// <c>ApplianceLocked</c>, <c>PermissionDenied</c>.</exception>
    Task SetApplianceSettingsAsync(ApplianceDescription appliance, ApplianceSettings settings,
        CancellationToken cancellationToken);

    /// <summary>Ends the enrolment of an appliance. Its points, its retention policy and its records stay.</summary>
    /// <param name="settings">Its settings, as they are kept here.</param>
    /// <param name="reason">Why, for the audit log; or null.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>, <c>ApplianceNotFound</c>,
    /// <c>ApplianceScheduled</c>, <c>PermissionDenied</c>.</exception>
    Task EndEnrolmentAsync(ApplianceSettings settings, string? reason, CancellationToken cancellationToken);
}
