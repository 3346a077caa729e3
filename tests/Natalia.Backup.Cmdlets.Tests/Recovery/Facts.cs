using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Cmdlets.Tests.Recovery;

/// <summary>Evidence of an appliance, as tests put it together.</summary>
internal static class Facts
{
    internal static readonly DateTime Now = new(2026, 11, 30, 12, 0, 0, DateTimeKind.Utc);

    internal static EvidencePoint Point(DateTime time, EvidencePointState state = EvidencePointState.Unverified,
        bool isKept = true, string? original = null, string repository = "nas") => new()
        {
            RestorePointId = $"{time.Ticks:x32}"[..31] + repository[0],
            RepositoryId = repository,
            Repository = repository,
            TimeUtc = time,
            State = state,
            IsKept = isKept,
            Consistency = Consistency.FileSystem,
            VerifiedUtc = state == EvidencePointState.Verified ? time : null,
            OriginalRestorePointId = original,
        };

    internal static EvidencePoint Ago(double hours, EvidencePointState state = EvidencePointState.Unverified) =>
        Point(Now.AddHours(-hours), state);

    internal static RestoreTest Test(double daysAgo, RestoreTestResult result = RestoreTestResult.Passed,
        string kind = "Qemu", double restoreMinutes = 30, long? size = 100L << 30, string? point = null) => new()
        {
            RestoreTestId = $"{(long)(daysAgo * 1000):x32}",
            ApplianceId = new string('a', 32),
            ApplianceName = "paris",
            RestorePointId = point ?? new string('b', 32),
            PointTimeUtc = Now.AddDays(-daysAgo - 1),
            RepositoryId = "nas",
            Result = result,
            Reason = result == RestoreTestResult.Passed ? null : "Boot: the guest did not answer.",
            TestBench = "bench",
            TestBenchKind = kind,
            StartedUtc = Now.AddDays(-daysAgo),
            SizeBytes = size,
            RestoreDuration = TimeSpan.FromMinutes(restoreMinutes),
            BootDuration = TimeSpan.FromMinutes(2),
            ChecksDuration = TimeSpan.FromMinutes(3),
        };

    /// <summary>The evidence, with everything that follows from points.</summary>
    internal static ApplianceEvidence Evidence(IEnumerable<EvidencePoint> points,
        BackupStrategy strategy = BackupStrategy.SixHourly, IEnumerable<RestoreTest>? tests = null, int days = 92,
        string kind = "Qemu")
    {
        List<EvidencePoint> all = [.. points.OrderBy(p => p.TimeUtc)];
        DateTime since = Now.AddDays(-days);
        var evidence = new ApplianceEvidence
        {
            ApplianceId = new string('a', 32),
            ApplianceName = "paris",
            HypervisorKind = kind,
            Repository = "nas",
            RepositoryId = "nas",
            IsEnrolled = true,
            EnrolledUtc = since,
            Strategy = strategy,
            SinceUtc = since,
            MeasuredUtc = Now,
            SizeBytes = 100L << 30,
            Points = all,
            Gaps = GapRules.Between(all.Where(p => p.IsGood), since, Now,
                RecoveryTargets.Limit(strategy == BackupStrategy.Replication
                    ? RecoveryTargets.Interval(strategy)
                    : RecoveryTargets.Rpo(strategy))),
            RestoreTests = [.. (tests ?? []).OrderByDescending(t => t.StartedUtc)],
            Holdings = CoverageRules.Holdings(all, all.Count == 0 ? null : all[0].TimeUtc, "UTC", Now),
            Repositories = [Place("nas", true, null)],
        };
        return evidence with { Measurements = RecoveryRules.Measure(evidence) };
    }

    internal static RepositoryEvidence Place(string name, bool? isOffHost, bool? isImmutable) => new()
    {
        RepositoryId = name,
        Repository = name,
        RepositoryKind = "Natalia",
        StoreKind = "Folder",
        Location = "/" + name,
        IsOffHost = isOffHost,
        OffHostDetail = "It lies somewhere.",
        IsImmutable = isImmutable,
        HasFullHistory = true,
    };

    internal static RecoveryMeasurement Row(this ApplianceEvidence evidence, RecoveryObjective objective) =>
        RecoveryRules.Measure(evidence).Single(m => m.Objective == objective);

    /// <summary>A point every so many hours, from the newest back.</summary>
    internal static IEnumerable<EvidencePoint> Every(double hours, int count, double newestAgo = 1) =>
        Enumerable.Range(0, count).Select(i => Ago(newestAgo + i * hours));
}
