using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Evidence;

/// <summary>
/// A hypervisor's own storage, of which everything that is done in it is recorded in the repository that keeps its
/// evidence. What takes protection away is not begun when it could not be recorded; nothing else is refused for its
/// evidence's sake. What was done and could not be recorded is told, and is no failure of the deed.
/// </summary>
internal sealed class EvidencedRepository(IPointRepository inner, RepositoryConnection connection, EvidenceBook book)
    : IPointRepository
{
    public string RepositoryId => inner.RepositoryId;

    public string Label => inner.Label;

    public string Kind => inner.Kind;

    public string Location => inner.Location;

    public async Task<IReadOnlyList<CheckResult>> VerifyAsync(RestorePoint point, TimeSpan maximumAge,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        IReadOnlyList<CheckResult> checks = await inner.VerifyAsync(point, maximumAge, progress,
            cancellationToken).ConfigureAwait(false);
        await book.RecordAsync(connection, NativeEvent.PointVerified, point, null,
            [.. checks.Select(c => new KeyValuePair<string, string?>(c.Name,
                c.Actual is null ? c.Result.ToString() : $"{c.Result}: {c.Actual}"))]).ConfigureAwait(false);
        return checks;
    }

    public async Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason,
        CancellationToken cancellationToken)
    {
        if (isProtected) book.WarnIfNone(connection, "the reason");
        else await book.RequireAsync(connection, "the reason", cancellationToken).ConfigureAwait(false);
        NativeEvent asked = isProtected ? NativeEvent.PointProtected : NativeEvent.PointUnprotected;
        RestorePoint after;
        try
        {
            after = await inner.SetProtectionAsync(point, isProtected, reason, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException open) when (IsOpen(open))
        {
            await book.RecordOpenAsync(connection, asked, point, reason, open).ConfigureAwait(false);
            throw;
        }
        await book.RecordAsync(connection, asked, after, reason).ConfigureAwait(false);
        return after;
    }

    public async Task RemoveRestorePointAsync(RestorePoint point, string reason, CancellationToken cancellationToken)
    {
        await book.RequireAsync(connection, "the removal and its reason", cancellationToken).ConfigureAwait(false);
        try
        {
            await inner.RemoveRestorePointAsync(point, reason, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException open) when (IsOpen(open))
        {
            await book.RecordOpenAsync(connection, NativeEvent.PointRemoved, point, reason,
                open).ConfigureAwait(false);
            throw;
        }
        await book.RecordAsync(connection, NativeEvent.PointRemoved, point, reason).ConfigureAwait(false);
    }

    /// <summary>One by one, so that each removal is recorded before the next one begins.</summary>
    public async Task RemoveRestorePointsAsync(string applianceId, IReadOnlyList<PointRemoval> removals,
        Action<RestorePoint, NataliaException?> removed, CancellationToken cancellationToken)
    {
        if (removals.Count == 0) return;
        await book.RequireAsync(connection, "what retention removes", cancellationToken).ConfigureAwait(false);
        foreach (PointRemoval removal in removals)
        {
            bool isGone = false;
            NataliaException? open = null;
            await inner.RemoveRestorePointsAsync(applianceId, [removal], (point, refusal) =>
            {
                isGone = refusal is null;
                if (refusal is not null && IsOpen(refusal)) open = refusal;
                removed(point, refusal);
            }, cancellationToken).ConfigureAwait(false);
            if (isGone)
                await book.RecordAsync(connection, NativeEvent.PointRemoved, removal.Point,
                    removal.Reason).ConfigureAwait(false);
            if (open is not null)
                await book.RecordOpenAsync(connection, NativeEvent.PointRemoved, removal.Point, removal.Reason,
                    open).ConfigureAwait(false);
        }
    }

    /// <summary>Whether what was asked for may have been done all the same.</summary>
    private static bool IsOpen(NataliaException failure) =>
        failure.ErrorId is ErrorIds.RequestOutcomeUnknown or ErrorIds.TaskLost or ErrorIds.TaskNotFinished;

    public async Task SetRetentionPolicyAsync(string? applianceId, string? applianceName, RetentionPolicy? policy,
        CancellationToken cancellationToken)
    {
        await inner.SetRetentionPolicyAsync(applianceId, applianceName, policy,
            cancellationToken).ConfigureAwait(false);
        if (applianceId is not null)
            await book.RecordAsync(connection, NativeEvent.RetentionSet, applianceId, applianceName ?? applianceId,
                null, [new("policy", policy?.ToString() ?? "none")]).ConfigureAwait(false);
    }

    public async Task SetApplianceSettingsAsync(ApplianceDescription appliance, ApplianceSettings settings,
        CancellationToken cancellationToken)
    {
        await inner.SetApplianceSettingsAsync(appliance, settings, cancellationToken).ConfigureAwait(false);
        await book.RecordAsync(connection, NativeEvent.ApplianceSet, appliance.ApplianceId, appliance.Name, null,
            [new("dataDisk", settings.DataDiskId),
                new("includeSystemDisk", settings.IncludeSystemDisk ? "yes" : "no")]).ConfigureAwait(false);
    }

    public async Task EndEnrolmentAsync(ApplianceSettings settings, string? reason,
        CancellationToken cancellationToken)
    {
        await book.RequireAsync(connection, "the end of an enrolment", cancellationToken).ConfigureAwait(false);
        await inner.EndEnrolmentAsync(settings, reason, cancellationToken).ConfigureAwait(false);
        await book.RecordAsync(connection, NativeEvent.EnrolmentEnded, settings.ApplianceId, settings.Name,
            reason).ConfigureAwait(false);
    }

    public Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(
        RestorePointFilter filter, Action<NataliaException>? onTrouble, Action<MissingPoints>? onMissing,
        CancellationToken cancellationToken) =>
        inner.GetRestorePointsAsync(filter, onTrouble, onMissing, cancellationToken);

    public Task<ApplianceDescription> GetConfigurationAsync(RestorePoint point, CancellationToken cancellationToken) =>
        inner.GetConfigurationAsync(point, cancellationToken);

    public Task<NataliaException?> FindRemovalRefusalAsync(RestorePoint point, CancellationToken cancellationToken) =>
        inner.FindRemovalRefusalAsync(point, cancellationToken);

    public Task<IReadOnlyList<StoredRetentionPolicy>> GetRetentionPoliciesAsync(CancellationToken cancellationToken) =>
        inner.GetRetentionPoliciesAsync(cancellationToken);

    public Task<string?> GetFixedTimeZoneAsync(CancellationToken cancellationToken) =>
        inner.GetFixedTimeZoneAsync(cancellationToken);

    public Task<IReadOnlyList<RetentionPoint>> DescribeForRetentionAsync(IReadOnlyList<RestorePoint> points,
        CancellationToken cancellationToken) =>
        inner.DescribeForRetentionAsync(points, cancellationToken);

    public Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(
        IReadOnlyList<ApplianceDescription>? appliances,
        CancellationToken cancellationToken) =>
        inner.GetApplianceSettingsAsync(appliances, cancellationToken);
}
