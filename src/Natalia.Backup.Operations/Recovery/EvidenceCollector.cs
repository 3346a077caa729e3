using System.Runtime.CompilerServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// Collects what is known of appliances, from repositories, their logs, and hypervisors, and measures it. One appliance
/// after another is handed over, so that memory does not grow with their number.
/// </summary>
/// <param name="registry">The runspace's connections.</param>
/// <param name="clock">Tells what now is.</param>
/// <param name="onTrouble">Told of each repository, hypervisor or record that cannot be read, once; what rests on it is
/// not claimed. May be called by several threads.</param>
/// <param name="warn">Told of what should be known besides.</param>
/// <param name="progress">Told how many appliances were measured; or null.</param>
internal sealed class EvidenceCollector(SessionRegistry registry, TimeProvider clock,
    Action<Exception, object?> onTrouble, Action<string> warn, IProgress<OperationProgress>? progress = null)
{
    /// <summary>So many appliances are read at once: enough to hide the latency of a bucket.</summary>
    private const int AtOnce = 4;

    private readonly List<string> _blind = [];
    private readonly object _gate = new();

    /// <summary>The evidence of every appliance that is meant, by their ids.</summary>
    /// <exception cref="NataliaException">A selector that means nothing: <c>ApplianceNotFound</c>, through
    /// <c>onTrouble</c>.</exception>
    internal async IAsyncEnumerable<ApplianceEvidence> CollectAsync(EvidenceWishes wishes,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        DateTime now = clock.UtcNow();
        DateTime since = wishes.SinceUtc ?? now.AddDays(-EvidenceWishes.DefaultDays);
        lock (_gate) _blind.AddRange(wishes.Away);
        IReadOnlyList<RepositorySubjects> repositories = await ReadRepositoriesAsync(wishes,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<string> chosen = Choose(wishes, repositories);
        progress?.Report(new OperationProgress("Asking the hypervisors", 0, null));
        HypervisorFacts hypervisors = await HypervisorFacts.ReadAsync(registry, chosen,
            ids => FindSuccessorsAsync(ids, repositories, cancellationToken), Blind, warn,
            cancellationToken).ConfigureAwait(false);
        var hosts = new ApplianceHosts();
        await hosts.ReadAsync(repositories.Select(r => r.Repository), registry.Hypervisors.All, Blind,
            cancellationToken).ConfigureAwait(false);
        for (int at = 0; at < chosen.Count; at += AtOnce)
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress?.Report(new OperationProgress("Reading points and logs", at, chosen.Count)
            {
                Unit = "appliances",
            });
            string[] group = [.. chosen.Skip(at).Take(AtOnce)];
            foreach (ApplianceEvidence? evidence in await InParallel.SelectAsync(group, AtOnce,
                id => CollectAsync(id, wishes.Selectors.Any(w => !w.MeansSeveral([])), repositories, hypervisors, hosts,
                    since, now, cancellationToken),
                cancellationToken).ConfigureAwait(false))
                if (evidence is not null) yield return evidence;
        }
    }

    /// <summary>The ids of the VMs that took the place of appliances' first ones.</summary>
    private async Task<IReadOnlyList<string>> FindSuccessorsAsync(IReadOnlyList<string> applianceIds,
        IReadOnlyList<RepositorySubjects> repositories, CancellationToken cancellationToken)
    {
        (RepositorySubjects In, string Id)[] asked = [.. from r in repositories
                                                 where r.Repository.IsOwn
                                                 from id in applianceIds
                                                 where r.Names.ContainsKey(id)
                                                 select (r, id)];
        try
        {
            return [.. (await InParallel.SelectAsync(asked, AtOnce,
                a => a.In.Repository.Repository.FindApplianceSettingsAsync(a.Id, cancellationToken), cancellationToken)
                .ConfigureAwait(false)).Select(s => s?.SuccessorId).OfType<string>()
                .Distinct(StringComparer.Ordinal)];
        }
        catch (NataliaException) when (!cancellationToken.IsCancellationRequested)
        {
            // What cannot be read of an appliance is told when its history is.
            return [];
        }
    }

    private async Task<IReadOnlyList<RepositorySubjects>> ReadRepositoriesAsync(EvidenceWishes wishes,
        CancellationToken cancellationToken)
    {
        bool needsNames = wishes.Selectors.Any(s => !s.IsId);
        List<RepositorySubjects> all = [];
        foreach (RepositoryConnection repository in wishes.Repositories)
        {
            progress?.Report(new OperationProgress($"Reading {repository.Name}", 0, null));
            try
            {
                RepositoryConnection? log = repository;
                if (!repository.IsOwn)
                {
                    try
                    {
                        log = EvidenceBook.Find(registry, repository);
                    }
                    catch (NataliaException away)
                    {
                        Blind(away, repository.Session);
                        log = null;
                    }
                }
                all.Add(await RepositorySubjects.ReadAsync(repository, log, needsNames,
                    e => Blind(e, repository.Session), cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Blind(e, repository.Session);
            }
        }
        return all;
    }

    /// <summary>The ids of the appliances that are meant, in a fixed order.</summary>
    private IReadOnlyList<string> Choose(EvidenceWishes wishes, IReadOnlyList<RepositorySubjects> repositories)
    {
        Dictionary<string, string> names = new(StringComparer.Ordinal);
        foreach (RepositorySubjects repository in repositories)
            foreach (KeyValuePair<string, string?> one in repository.Names)
                if (one.Value is not null || !names.ContainsKey(one.Key)) names[one.Key] = one.Value ?? one.Key;
        IReadOnlyList<string> ids = [.. names.Keys.OrderBy(k => k, StringComparer.Ordinal)];
        return [.. ApplianceSelector.ChooseAny(wishes.Selectors, ids, id => id, id => names[id], missing =>
            {
                if (missing.Miss(() => new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                    $"No appliance '{missing.Text}' is enrolled or has restore points in "
                    + $"{string.Join(", ", wishes.Repositories.Select(r => $"'{r.Name}'"))}.", missing.Text,
                    "Set-NataliaAppliance enrols one.")) is NataliaException miss)
                    onTrouble(miss, missing.Text);
            })];
    }

    /// <summary>
    /// The evidence of one appliance; null for one that nobody named and whose enrolment ended: nobody promises
    /// anything of it any more.
    /// </summary>
    private async Task<ApplianceEvidence?> CollectAsync(string applianceId, bool isNamed,
        IReadOnlyList<RepositorySubjects> repositories, HypervisorFacts hypervisors, ApplianceHosts hosts,
        DateTime sinceUtc, DateTime nowUtc, CancellationToken cancellationToken)
    {
        List<string> troubles = [];
        List<(RepositorySubjects In, ApplianceHistory History)> histories = [];
        Dictionary<string, ApplianceHistory> logs = new(StringComparer.Ordinal);
        foreach (RepositorySubjects repository in repositories.Where(r => r.Names.ContainsKey(applianceId)))
        {
            try
            {
                ApplianceHistory history = await repository.ReadHistoryAsync(applianceId, sinceUtc,
                    e => Tell(e, troubles), cancellationToken).ConfigureAwait(false);
                histories.Add((repository, history));
                if (repository.Repository.IsOwn) logs[repository.Repository.Session.RepositoryId] = history;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Tell(e, troubles);
                onTrouble(e, repository.Repository.Session);
            }
        }
        if (!isNamed && troubles.Count == 0 && histories.TrueForAll(h => h.History.Settings is null)
            && histories.Max(h => h.History.EnrolmentEndedUtc) is DateTime ended
            && !histories.Exists(h => h.History.Points.Any(p => EnrolmentEnd.IsOutlivedBy(p, ended))))
            return null;
        // The evidence about a hypervisor's storage stands in another repository's log, which may not be measured.
        foreach (RepositoryConnection log in histories.Select(h => h.In.Log).OfType<RepositoryConnection>()
            .Where(l => l.IsOwn).Distinct())
        {
            if (logs.ContainsKey(log.Session.RepositoryId)) continue;
            try
            {
                logs[log.Session.RepositoryId] = await log.Repository.ReadHistoryAsync(applianceId, sinceUtc,
                    e => Tell(e, troubles), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Tell(e, troubles);
                onTrouble(e, log.Session);
            }
        }
        IReadOnlyList<RestoreTest> tests = Tests(logs, histories, troubles);
        return Put(applianceId, histories, logs, tests, hypervisors, hosts, sinceUtc, nowUtc, troubles);
    }

    private IReadOnlyList<RestoreTest> Tests(Dictionary<string, ApplianceHistory> logs,
        List<(RepositorySubjects In, ApplianceHistory History)> histories, List<string> troubles)
    {
        HashSet<string> measured = [.. histories.Select(h => h.In.Repository.Session.RepositoryId)];
        Dictionary<string, RestoreTest> tests = new(StringComparer.Ordinal);
        foreach (KeyValuePair<string, ApplianceHistory> log in logs)
        {
            foreach (AuditRecord record in log.Value.Evidence)
            {
                try
                {
                    if (RestoreTestBook.Decode(record, log.Key) is RestoreTest test
                        && measured.Contains(test.RepositoryId))
                        tests[test.RestoreTestId] = test with
                        {
                            Repository = histories.Find(h => h.In.Repository.Session.RepositoryId == test.RepositoryId)
                                .In?.Repository.Name,
                        };
                }
                catch (FormatException damage)
                {
                    Tell(new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
                        $"A record of a restore test cannot be read: {damage.Message}", record.RecordHash, null,
                        damage), troubles);
                }
            }
        }
        return [.. tests.Values.OrderByDescending(t => t.StartedUtc)
            .ThenBy(t => t.RestoreTestId, StringComparer.Ordinal)];
    }

    private ApplianceEvidence Put(string applianceId,
        List<(RepositorySubjects In, ApplianceHistory History)> histories, Dictionary<string, ApplianceHistory> logs,
        IReadOnlyList<RestoreTest> tests, HypervisorFacts hypervisors, ApplianceHosts hosts, DateTime sinceUtc,
        DateTime nowUtc, List<string> troubles)
    {
        List<EvidencePoint> points = [];
        foreach ((RepositorySubjects repository, ApplianceHistory history) in histories)
        {
            IReadOnlyList<AuditRecord> records = !repository.Repository.IsOwn && repository.Log is { } log
                && logs.TryGetValue(log.Session.RepositoryId, out ApplianceHistory? kept) ? kept.Evidence : [];
            points.AddRange(EvidencePoints.Of(repository.Repository.Session, history, records, tests,
                ZoneOf(repository, history, troubles), nowUtc));
        }
        points.Sort((a, b) => a.TimeUtc != b.TimeUtc
            ? a.TimeUtc.CompareTo(b.TimeUtc)
            : string.CompareOrdinal(a.RestorePointId, b.RestorePointId));
        // Where they differ, the repository that knows of most takeovers has the newest word.
        (RepositorySubjects In, ApplianceHistory History) home = histories.Where(h => h.History.Settings is not null)
            .OrderByDescending(h => h.History.Settings!.FormerIds.Count).FirstOrDefault();
        if (home.In is null)
            home = histories.OrderByDescending(h => h.History.Points.FirstOrDefault()?.TimeUtc).FirstOrDefault();
        ApplianceSettings? settings = home.History?.Settings;
        string name = settings?.Name ?? home.History?.Name ?? applianceId;
        string vmId = settings?.VMId ?? applianceId;
        foreach ((RepositorySubjects repository, ApplianceHistory history) in histories)
            if (history.Settings is ApplianceSettings other && other.VMId != vmId)
                warn(Succession.NotToldWarning(vmId, new Enrolment(repository.Repository, other)));
        string? kind = KindOf(settings, home.History?.SettingsUtc, points);
        (HypervisorConnection? hypervisor, ApplianceDescription? shown) = hypervisors.Find(vmId, kind,
            histories.Select(h => h.In.Repository.Hypervisor).FirstOrDefault(h => h is not null));
        BackupStrategy strategy = settings?.Strategy ?? BackupStrategy.Daily;
        string zone = home.History is null
            ? RetentionPolicy.DefaultTimeZoneId
            : ZoneOf(home.In!, home.History, troubles);
        bool hasFullHistory = histories.Exists(h => h.In.Repository.IsOwn && h.History.Made.Count > 0);
        Func<DateTime, DateTime, bool>? thinning = hasFullHistory || home.History is null ? null : GapRules.Thinning(
            [.. points.Where(p => p.IsKept)], home.History.RetentionPolicy?.Policy is RetentionPolicy policy
                ? policy with { TimeZoneId = zone }
                : null, RecoveryTargets.Interval(strategy), nowUtc);
        DateTime? first = histories.Select(h => h.History.FirstMadeUtc).Concat(points.Select(p => (DateTime?)p.TimeUtc))
            .Where(t => t is not null).Min();
        // Retention always leaves the newest good point: what is newer than that and gone is lost, and so is its state.
        DateTime? newestKept = points.FindLast(p => p.IsKept && p.IsGood)?.TimeUtc;
        IReadOnlyList<EvidenceGap> gaps = GapRules.Between(
            points.Where(p => p.IsGood && (p.IsKept || p.TimeUtc <= newestKept)), sinceUtc, nowUtc,
            RecoveryTargets.Limit(RecoveryTargets.Interval(strategy)), thinning);
        DateTime from = ApplianceEvidence.PointsFrom(gaps, sinceUtc);
        DateTime verifiedFrom = points.Where(p => p.VerifiedUtc < sinceUtc).Max(p => p.VerifiedUtc) ?? sinceUtc;
        lock (_gate) troubles.InsertRange(0, _blind);
        var evidence = new ApplianceEvidence
        {
            ApplianceId = applianceId,
            ApplianceName = name,
            HypervisorKind = kind ?? shown?.HypervisorKind ?? hypervisor?.Session.Kind,
            Hypervisor = hypervisor?.Name,
            VMHost = shown?.State?.VMHost,
            Repository = home.In?.Repository.Name,
            RepositoryId = home.In?.Repository.Session.RepositoryId,
            IsEnrolled = settings is not null,
            EnrolledUtc = home.History?.SettingsUtc,
            Strategy = strategy,
            IsStrategySet = settings?.Strategy is not null,
            SinceUtc = sinceUtc,
            MeasuredUtc = nowUtc,
            SizeBytes = points.FindLast(p => p.IsGood && p.IsKept && p.SizeBytes is not null)?.SizeBytes,
            // What was verified in the period, and what was verified last before it, tells when that was, however long
            // the point is gone.
            Points = points.FindAll(p => p.IsKept || p.TimeUtc >= from || p.VerifiedUtc >= verifiedFrom),
            Gaps = gaps,
            RestoreTests = tests,
            Replications = hypervisors.ReplicationsOf(vmId),
            Schedules = hypervisors.SchedulesOf(name, [.. histories.Select(h => h.In.Repository.Native?.Storage)]),
            Holdings = CoverageRules.Holdings(points, first, zone, nowUtc),
            Repositories = [.. histories.Select(h => Describe(h.In, h.History, hosts, hypervisor,
                shown?.State?.VMHost))],
            Troubles = [.. troubles.Distinct()],
        };
        return evidence with { Measurements = RecoveryRules.Measure(evidence) };
    }

    /// <summary>
    /// The kind of hypervisor that an appliance runs on, by what was written last: its settings, or its newest point.
    /// One that moved keeps its history, and is backed up from the new hypervisor under its old id.
    /// </summary>
    private static string? KindOf(ApplianceSettings? settings, DateTime? settingsUtc, List<EvidencePoint> points)
    {
        EvidencePoint? newest = points.FindLast(p => p.IsKept && p.IsGood && p.HypervisorKind is not null);
        return newest is null || newest.TimeUtc < settingsUtc
            ? settings?.HypervisorKind ?? newest?.HypervisorKind
            : newest.HypervisorKind;
    }

    /// <summary>
    /// The zone in which days begin for an appliance's retention; UTC where this machine does not know it.
    /// </summary>
    private string ZoneOf(RepositorySubjects repository, ApplianceHistory history, List<string> troubles)
    {
        string zone = repository.FixedTimeZone ?? history.RetentionPolicy?.Policy.TimeZoneId
            ?? RetentionPolicy.DefaultTimeZoneId;
        try
        {
            _ = TimeZones.Find(zone);
            return zone;
        }
        catch (NataliaException unknown)
        {
            Tell(unknown, troubles);
            return RetentionPolicy.DefaultTimeZoneId;
        }
    }

    private static RepositoryEvidence Describe(RepositorySubjects subjects, ApplianceHistory history,
        ApplianceHosts hosts, HypervisorConnection? hypervisor, string? vmHost)
    {
        RepositoryConnection repository = subjects.Repository;
        (bool? isOffHost, string detail) = hosts.Locate(repository, hypervisor, vmHost);
        return new RepositoryEvidence
        {
            RepositoryId = repository.Session.RepositoryId,
            Repository = repository.Name,
            RepositoryKind = repository.Session.RepositoryKind,
            StoreKind = repository.Session.StoreKind,
            Location = repository.Session.Location,
            IsOffHost = isOffHost,
            OffHostDetail = char.ToUpperInvariant(detail[0]) + detail.Substring(1),
            IsImmutable = repository.IsOwn
                ? repository.Immutability is not null && repository.Repository.HoldsLocks
                : null,
            ImmutableDays = repository.Session.ImmutableDays,
            ImmutableWhileKept = repository.Session.ImmutableWhileKept,
            ImmutabilityMode = repository.Session.ImmutabilityMode,
            RetentionPolicy = history.RetentionPolicy is { Damage: null } stored ? stored.Policy.ToString() : null,
            HasFullHistory = repository.IsOwn,
            AuditKeyFingerprint = repository.IsOwn ? repository.Session.AuditKeyFingerprint : null,
        };
    }

    /// <summary>Something that concerns every appliance cannot be seen.</summary>
    private void Blind(Exception trouble, object? target)
    {
        lock (_gate) _blind.Add(trouble.Message);
        onTrouble(trouble, target);
    }

    /// <summary>Something of one appliance cannot be read; it counts as damaged, or not at all.</summary>
    private void Tell(Exception trouble, List<string> troubles)
    {
        lock (_gate) troubles.Add(trouble.Message);
        warn(trouble.Message);
    }
}
