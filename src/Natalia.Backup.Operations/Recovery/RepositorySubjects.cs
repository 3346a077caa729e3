using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// A repository that is measured, and the appliances that it knows. Of a hypervisor's storage all of it is read at
/// once, because that is one request there; one of this product is read appliance by appliance.
/// </summary>
internal sealed class RepositorySubjects
{
    private readonly ILookup<string, RestorePoint> _points;
    private readonly IReadOnlyDictionary<string, ApplianceSettings> _settings;
    private readonly IReadOnlyList<StoredRetentionPolicy> _policies;

    private RepositorySubjects(RepositoryConnection repository, IReadOnlyDictionary<string, string?> names,
        ILookup<string, RestorePoint> points, IReadOnlyDictionary<string, ApplianceSettings> settings,
        IReadOnlyList<StoredRetentionPolicy> policies, string? timeZoneId) =>
        (Repository, Names, _points, _settings, _policies, FixedTimeZone) =
            (repository, names, points, settings, policies, timeZoneId);

    internal RepositoryConnection Repository { get; }

    /// <summary>The appliances by id, with their names as far as they were read.</summary>
    internal IReadOnlyDictionary<string, string?> Names { get; }

    /// <summary>The zone in which the storage applies every policy; null where the policy's own counts.</summary>
    internal string? FixedTimeZone { get; }

    /// <summary>
    /// The repository that keeps the log about it: itself, or its evidence repository; null for none.
    /// </summary>
    internal RepositoryConnection? Log { get; init; }

    /// <summary>Reads them.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="log">The repository that keeps the log about it, or null.</param>
    /// <param name="needsNames">Whether somebody asks for appliances by name; each costs a look into a log.</param>
    /// <param name="onTrouble">Takes what cannot be read of it.</param>
    internal static async Task<RepositorySubjects> ReadAsync(RepositoryConnection repository,
        RepositoryConnection? log, bool needsNames, Action<NataliaException> onTrouble,
        CancellationToken cancellationToken)
    {
        Dictionary<string, string?> names = new(StringComparer.Ordinal);
        if (repository.IsOwn)
        {
            if (needsNames)
                foreach (KnownAppliance known in await repository.Repository.GetAppliancesAsync(
                    cancellationToken).ConfigureAwait(false))
                    names[known.ApplianceId] = known.Name;
            else
                foreach (string id in await repository.Repository.GetApplianceIdsAsync(
                    cancellationToken).ConfigureAwait(false))
                    names[id] = null;
            StoredRetentionPolicy? common = await repository.Repository.GetDefaultRetentionPolicyAsync(
                cancellationToken).ConfigureAwait(false);
            return new RepositorySubjects(repository, names, Enumerable.Empty<RestorePoint>()
                .ToLookup(p => p.ApplianceId), new Dictionary<string, ApplianceSettings>(),
                common is null ? [] : [common], null)
            {
                Log = log,
            };
        }
        IReadOnlyList<RestorePoint> points = await repository.Points.GetRestorePointsAsync(
            new RestorePointFilter { IncludeUnreadable = true }, onTrouble, null,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ApplianceSettings> settings = await EndedEnrolments.LeaveOutAsync(log,
            repository.Session.RepositoryId, await repository.Points.GetApplianceSettingsAsync(null,
                cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        foreach (RestorePoint point in points) names[point.ApplianceId] = point.ApplianceName;
        foreach (ApplianceSettings one in settings) names[one.ApplianceId] = one.Name;
        return new RepositorySubjects(repository, names, points.ToLookup(p => p.ApplianceId, StringComparer.Ordinal),
            settings.ToDictionary(s => s.ApplianceId, StringComparer.Ordinal),
            await repository.Points.GetRetentionPoliciesAsync(cancellationToken).ConfigureAwait(false),
            await repository.Points.GetFixedTimeZoneAsync(cancellationToken).ConfigureAwait(false))
        {
            Log = log,
        };
    }

    /// <summary>What it knows of an appliance.</summary>
    internal async Task<ApplianceHistory> ReadHistoryAsync(string applianceId, DateTime sinceUtc,
        Action<NataliaException> onTrouble, CancellationToken cancellationToken)
    {
        if (!Repository.IsOwn)
            return new ApplianceHistory
            {
                ApplianceId = applianceId,
                Name = Names.TryGetValue(applianceId, out string? name) ? name : null,
                Settings = _settings.TryGetValue(applianceId, out ApplianceSettings? set) ? set : null,
                RetentionPolicy = StoredRetentionPolicy.For(_policies, applianceId),
                Points = [.. _points[applianceId]],
            };
        ApplianceHistory history = await Repository.Repository.ReadHistoryAsync(applianceId, sinceUtc, onTrouble,
            cancellationToken).ConfigureAwait(false);
        return history.RetentionPolicy is null
            ? history with { RetentionPolicy = _policies.FirstOrDefault() }
            : history;
    }
}
