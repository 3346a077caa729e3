using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Retention;

/// <summary>
/// The policies of a repository and the appliances that it knows: enrolled ones, those with restore points, those with
/// a policy.
/// </summary>
internal sealed class RepositoryRetention
{
    private readonly IReadOnlyList<StoredRetentionPolicy> _policies;

    private RepositoryRetention(RepositoryConnection repository, IReadOnlyList<StoredRetentionPolicy> policies,
        IReadOnlyList<RetentionSubject> subjects, string? fixedTimeZone) =>
        (Repository, _policies, Subjects, FixedTimeZone) = (repository, policies, subjects, fixedTimeZone);

    internal RepositoryConnection Repository { get; }

    /// <summary>The repository's default policy, or null.</summary>
    internal StoredRetentionPolicy? Default => _policies.FirstOrDefault(p => p.ApplianceId is null);

    /// <summary>
    /// What holds for an appliance without a policy of its own: what its host applies by itself, or the repository's
    /// default; null for none.
    /// </summary>
    internal StoredRetentionPolicy? InheritedBy(string applianceId) =>
        _policies.FirstOrDefault(p => p.ApplianceId == applianceId && p.IsHostDefault) ?? Default;

    /// <summary>The zone in which the repository applies every policy; null where the policy's own counts.</summary>
    internal string? FixedTimeZone { get; }

    /// <summary>The appliances, by name.</summary>
    internal IReadOnlyList<RetentionSubject> Subjects { get; }

    /// <summary>Reads them.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="onDamage">Takes the damage of a point that cannot be read. Such a point does not count, and is not
    /// removed.</param>
    internal static async Task<RepositoryRetention> ReadAsync(RepositoryConnection repository,
        Action<NataliaException> onDamage, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredRetentionPolicy> policies =
            await repository.Points.GetRetentionPoliciesAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ApplianceSettings> settings = await repository.Points.GetApplianceSettingsAsync(null,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<RestorePoint> points =
            [.. (await repository.Points.GetRestorePointsAsync(new RestorePointFilter(), onDamage, null,
                cancellationToken).ConfigureAwait(false)).OrderByDescending(p => p)];
        IReadOnlyList<RetentionPoint> described = await repository.Points.DescribeForRetentionAsync(points,
            cancellationToken).ConfigureAwait(false);
        ILookup<string, int> own = Enumerable.Range(0, points.Count)
            .ToLookup(i => points[i].ApplianceId, StringComparer.Ordinal);
        Dictionary<string, string> enrolled = settings.ToDictionary(s => s.ApplianceId, s => s.Name,
            StringComparer.Ordinal);
        IEnumerable<string> ids = enrolled.Keys.Concat(own.Select(p => p.Key))
            .Concat(policies.Select(p => p.ApplianceId).Where(id => id is not null).Cast<string>())
            .Distinct(StringComparer.Ordinal);
        IEnumerable<RetentionSubject> subjects = ids.Select(id =>
        {
            List<RestorePoint> its = [.. own[id].Select(i => points[i])];
            string name = enrolled.TryGetValue(id, out string? given)
                ? given
                : its.FirstOrDefault()?.ApplianceName
                    ?? policies.FirstOrDefault(p => p.ApplianceId == id)?.ApplianceName ?? id;
            return new RetentionSubject(repository, id, name, its, [.. own[id].Select(i => described[i])],
                StoredRetentionPolicy.For(policies, id));
        });
        return new RepositoryRetention(repository, policies,
            [.. subjects.OrderBy(s => s.Name, StringComparer.OrdinalIgnoreCase)
                .ThenBy(s => s.ApplianceId, StringComparer.Ordinal)],
            await repository.Points.GetFixedTimeZoneAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Makes sure that a time zone that was asked for takes effect here.</summary>
    /// <param name="asked">The zone; null when none was given.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>.</exception>
    internal void RequireTimeZone(string? asked)
    {
        if (asked is null || FixedTimeZone is null || TimeZones.AreSame(asked, FixedTimeZone)) return;
        throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            $"The repository '{Repository.Name}' applies retention in the time zone of its cluster's nodes, "
            + $"'{FixedTimeZone}', and in no other: '{asked}' would have no effect.",
            asked,
            "Leave -TimeZone out.");
    }

    /// <summary>The appliances that a selector means.</summary>
    internal IReadOnlyList<RetentionSubject> Select(ApplianceSelector selector) =>
        selector.Choose(Subjects, s => s.ApplianceId, s => s.Name);

    /// <summary>What the selectors mean in all of these repositories together; everything without a selector.</summary>
    internal static IReadOnlyList<RetentionSubject> Select(IReadOnlyList<ApplianceSelector> selectors,
        IEnumerable<RepositoryRetention> retentions, Action<ApplianceSelector> miss) =>
        ApplianceSelector.ChooseAny(selectors, [.. retentions.SelectMany(r => r.Subjects)], s => s.ApplianceId,
            s => s.Name, miss);

    /// <summary>The error for a plain name or id that no repository knows.</summary>
    internal static NataliaException NotFound(ApplianceSelector selector,
        IEnumerable<RepositoryConnection> repositories) =>
        new(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
        $"No appliance '{selector.Text}' is enrolled or has restore points in "
        + $"{string.Join(", ", repositories.Select(r => $"'{r.Name}'"))}.",
        selector.Text, "Get-NataliaRetention lists the appliances of every connected repository.");
}
