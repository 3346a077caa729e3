using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Verification;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository : IPointRepository
{
    string IPointRepository.Kind => "Natalia";

    /// <summary>
    /// The restore points, newest first; those of the future, whose time cannot be true, last. Removed and incomplete
    /// ones are left out.
    /// </summary>
    /// <param name="filter">Which are wanted.</param>
    /// <param name="onDamage">Told of each point whose manifest is damaged, and the others are listed all the same;
    /// null throws at the first.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ManifestDamaged</c>.</exception>
    public Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter,
        Action<NataliaException>? onDamage, CancellationToken cancellationToken) =>
        GetRestorePointsAsync(filter, onDamage, null, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(
        RestorePointFilter filter, Action<NataliaException>? onDamage, Action<MissingPoints>? onMissing,
        CancellationToken cancellationToken) =>
        _listing.ReadAsync(filter, onDamage, onMissing, cancellationToken);

    /// <summary>
    /// Opens a point, to do with it whatever takes its manifest. A point that this session has listed costs one
    /// listing, of the log; another one costs two.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="restorePointId">The point's whole id.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>ManifestDamaged</c>, <c>PasswordRequired</c>,
    /// a store error.</exception>
    public async Task<OpenPoint> OpenPointAsync(string applianceId, string restorePointId,
        CancellationToken cancellationToken) =>
        new(_core, await _finder.FindAsync(applianceId, restorePointId, cancellationToken).ConfigureAwait(false));

    /// <summary>Opens a point that is at hand.</summary>
    /// <param name="point">The point.</param>
    /// <exception cref="NataliaException">As above.</exception>
    public Task<OpenPoint> OpenPointAsync(RestorePoint point, CancellationToken cancellationToken) =>
        OpenPointAsync(point.ApplianceId, point.RestorePointId, cancellationToken);

    /// <summary>
    /// Verifies a point as <see cref="OpenPoint.VerifyAsync"/> does; a manifest that cannot be read is a Failed result,
    /// too.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>PasswordRequired</c>, a store
    /// error.</exception>
    public async Task<CheckResult> VerifyRestorePointAsync(RestorePoint point, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        OpenPoint opened;
        try
        {
            opened = await OpenPointAsync(point, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
        {
            return PointVerification.Unread(point with { RepositoryId = RepositoryId }, CheckOutcome.Failed,
                damage.ErrorId, damage.Message);
        }
        return await opened.VerifyAsync(progress, cancellationToken).ConfigureAwait(false);
    }

    async Task<IReadOnlyList<CheckResult>> IPointRepository.VerifyAsync(RestorePoint point, TimeSpan maximumAge,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        [await VerifyRestorePointAsync(point, progress, cancellationToken).ConfigureAwait(false)];

    async Task<ApplianceDescription> IPointRepository.GetConfigurationAsync(RestorePoint point,
        CancellationToken cancellationToken) =>
        await (await OpenPointAsync(point,
            cancellationToken).ConfigureAwait(false)).GetConfigurationAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task RemoveRestorePointAsync(RestorePoint point, string reason, CancellationToken cancellationToken)
    {
        NataliaException? refusal = null;
        await RemoveRestorePointsAsync(point.ApplianceId, [new PointRemoval(point, reason)], (_, why) => refusal = why,
            cancellationToken).ConfigureAwait(false);
        if (refusal is not null) throw refusal;
    }

    /// <inheritdoc/>
    public Task<NataliaException?> FindRemovalRefusalAsync(RestorePoint point, CancellationToken cancellationToken) =>
        _remover.FindRefusalAsync(point, cancellationToken);

    /// <inheritdoc/>
    public Task RemoveRestorePointsAsync(string applianceId, IReadOnlyList<PointRemoval> removals,
        Action<RestorePoint, NataliaException?> removed, CancellationToken cancellationToken) =>
        _remover.RemoveAsync(applianceId, removals, removed, cancellationToken);

    /// <inheritdoc/>
    public Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason,
        CancellationToken cancellationToken) =>
        _remover.SetProtectionAsync(point, isProtected, reason, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<RetentionPoint>> DescribeForRetentionAsync(IReadOnlyList<RestorePoint> points,
        CancellationToken cancellationToken) =>
        _remover.DescribeAsync(points, cancellationToken);

    /// <inheritdoc/>
    public Task<string?> GetFixedTimeZoneAsync(CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    /// <inheritdoc/>
    public Task<IReadOnlyList<StoredRetentionPolicy>> GetRetentionPoliciesAsync(CancellationToken cancellationToken) =>
        _policies.GetAllAsync(cancellationToken);

    /// <inheritdoc/>
    public Task SetRetentionPolicyAsync(string? applianceId, string? applianceName, RetentionPolicy? policy,
        CancellationToken cancellationToken) =>
        _policies.SetAsync(applianceId, applianceName, policy, cancellationToken);

    /// <summary>
    /// The appliances that have anything in the repository, by id, with the names that its log has for them. Needs no
    /// password, and reads no restore point.
    /// </summary>
    public Task<IReadOnlyList<KnownAppliance>> GetAppliancesAsync(CancellationToken cancellationToken) =>
        _appliances.GetAppliancesAsync(cancellationToken);

    /// <summary>The ids of all appliances that have anything in the repository.</summary>
    public Task<IReadOnlyList<string>> GetApplianceIdsAsync(CancellationToken cancellationToken) =>
        _core.ListAppliancesAsync(cancellationToken);

    /// <summary>The settings of every enrolled appliance.</summary>
    public Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(CancellationToken cancellationToken) =>
        _appliances.GetSettingsAsync(cancellationToken);

    /// <summary>The newest word about enrolments, also about those that ended.</summary>
    /// <param name="applianceIds">About which appliances; null reads the log of every one.</param>
    public Task<KnownEnrolments> GetEnrolmentsAsync(IReadOnlyCollection<string>? applianceIds,
        CancellationToken cancellationToken) =>
        _appliances.GetEnrolmentsAsync(applianceIds, cancellationToken);

    /// <summary>The settings of one appliance; null when it is not enrolled.</summary>
    /// <param name="applianceId">The appliance.</param>
    public Task<ApplianceSettings?> FindApplianceSettingsAsync(string applianceId,
        CancellationToken cancellationToken) =>
        _appliances.FindSettingsAsync(applianceId, cancellationToken);

    /// <summary>When the enrolment of an appliance ended, UTC; null when it is enrolled, or never was.</summary>
    /// <param name="applianceId">The appliance.</param>
    public Task<DateTime?> FindEnrolmentEndAsync(string applianceId, CancellationToken cancellationToken) =>
        _appliances.FindEndAsync(applianceId, cancellationToken);

    /// <summary>Enrols an appliance, or changes its settings.</summary>
    /// <param name="settings">All settings, also the unchanged ones.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>.</exception>
    public Task SetApplianceSettingsAsync(ApplianceSettings settings, CancellationToken cancellationToken) =>
        SetApplianceSettingsAsync(settings, null, cancellationToken);

    /// <summary>As above, and says in the audit log why.</summary>
    /// <param name="settings">All settings, also the unchanged ones.</param>
    /// <param name="reason">Why, for the audit log; or null.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>.</exception>
    public Task SetApplianceSettingsAsync(ApplianceSettings settings, string? reason,
        CancellationToken cancellationToken) =>
        _appliances.SetSettingsAsync(settings, reason, cancellationToken);

    /// <inheritdoc/>
    public Task EndEnrolmentAsync(ApplianceSettings settings, string? reason, CancellationToken cancellationToken) =>
        _appliances.EndAsync(settings, reason, cancellationToken);

    Task<IReadOnlyList<ApplianceSettings>> IPointRepository.GetApplianceSettingsAsync(
        IReadOnlyList<ApplianceDescription>? appliances,
        CancellationToken cancellationToken) =>
        GetApplianceSettingsAsync(cancellationToken);

    Task IPointRepository.SetApplianceSettingsAsync(ApplianceDescription appliance, ApplianceSettings settings,
        CancellationToken cancellationToken) =>
        SetApplianceSettingsAsync(settings, cancellationToken);
}
