using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Cmdlets.Tests.Reports;

/// <summary>
/// Made-up evidence of a small fleet, the same in every run: one appliance that meets everything, one whose backups
/// stopped, one that nobody has tested, one whose name is an attack. The picture in the README shows it.
/// </summary>
internal static class SampleReport
{
    internal static readonly DateTime Now = new(2026, 11, 29, 6, 30, 0, DateTimeKind.Utc);
    private static readonly DateTime s_since = Now.AddDays(-90);
    private const string RepositoryId = "7c1d4c1f0b7e4b54a3a2f7c2f9f7a610";

    internal const string Hostile =
        "</title><script>alert(1)</script>\"' onload=alert(2) \u202Egnp.exe\u202C\r\n=cmd|' /C calc'!A0 {x=\"y\"}\\";

    internal static Report Fleet(params ApplianceEvidence[] appliances) => new()
    {
        ReportId = "5b1f6ac2f6f34c9ba3d6a8d6c4d4b001",
        GeneratedUtc = Now,
        SinceUtc = s_since,
        Tool = "Natalia.Backup 0.1.0",
        Appliances = appliances,
    };

    internal static Report Usual() => Fleet(Good(1, "natalia-lille"), Stopped(2, "natalia-lyon"),
        Untested(3, "natalia-paris"));

    /// <summary>Everything met.</summary>
    internal static ApplianceEvidence Good(int number, string name) =>
        Appliance(number, name, AllPoints(number, s_since, Now), 4,
        [
            Row(RecoveryObjective.Rpo, RecoveryVerdict.Met, "6 h", "6 h 20 min", "6 h", "30 min",
                "The longest time between good points was 6 h 20 min, within the objective and its tolerance of an hour.",
                null, TimeSpan.FromHours(6), TimeSpan.FromMinutes(380)),
            Row(RecoveryObjective.Rto, RecoveryVerdict.Met, "2 h", "48 min", "44 min", "46 min",
                "Measured in 4 restore tests on the appliance's own kind of hypervisor, scaled to today's disks."),
            Row(RecoveryObjective.RestoreTestAge, RecoveryVerdict.Met, "92 d", "31 d", null, "17 d",
                "The newest passed restore test began 17 d before."),
            Row(RecoveryObjective.Coverage, RecoveryVerdict.Met, "7 days, 4 weeks, 3 months", "all held", null,
                "all held", "Every day, week and month of the retention policy is held by a good point."),
            Row(RecoveryObjective.OffHost, RecoveryVerdict.Met, "another machine", "nas.example", null, "nas.example",
                "The newest good point lies on nas.example, which is not the VM host."),
            Row(RecoveryObjective.Immutability, RecoveryVerdict.Met, "30 d", "30 d", null, "30 d",
                "Every kept point is locked for as long as the policy keeps it."),
            Row(RecoveryObjective.VerificationAge, RecoveryVerdict.Met, "30 d", "7 d", null, "2 d",
                "The point of 2026-11-27 was read as a whole and found good."),
            Row(RecoveryObjective.Schedule, RecoveryVerdict.Met, "every 6 h", null, null, "on time",
                "The newest point is younger than the schedule's interval."),
        ]);

    /// <summary>Its backups stopped three days ago, and one point is damaged.</summary>
    internal static ApplianceEvidence Stopped(int number, string name) =>
        Appliance(number, name, AllPoints(number, s_since, Now.AddDays(-3), hole: Now.AddDays(-40)), 3,
        [
            Row(RecoveryObjective.Rpo, RecoveryVerdict.Missed, "6 h", "3 d", "6 h", "3 d",
                "The newest good point is from 2026-11-26 06:30 UTC, 3 d before; the objective is 6 h.",
                "Look at the scheduled task on the backup server: nothing was started since.", TimeSpan.FromHours(6),
                TimeSpan.FromHours(78)),
            Row(RecoveryObjective.Rto, RecoveryVerdict.Met, "2 h", "1 h 12 min", "1 h 4 min", "1 h 9 min",
                "Measured in 3 restore tests on the appliance's own kind of hypervisor, scaled to today's disks."),
            Row(RecoveryObjective.RestoreTestAge, RecoveryVerdict.Missed, "92 d", "121 d", null, "121 d",
                "The newest restore test failed: CdrCount differs by 2.1 %, and 0.5 % are allowed.",
                "Find out why call records are missing, then run Test-NataliaRestore again."),
            Row(RecoveryObjective.Coverage, RecoveryVerdict.Missed, "7 days, 4 weeks, 3 months", "3 days missing", null,
                "3 days missing", "2026-11-27, 2026-11-28 and 2026-11-29 have no good point.",
                "Run Invoke-NataliaBackup now; a missed day cannot be made up for."),
            Row(RecoveryObjective.OffHost, RecoveryVerdict.Met, "another machine", "nas.example", null, "nas.example",
                "The newest good point lies on nas.example, which is not the VM host."),
            Row(RecoveryObjective.Immutability, RecoveryVerdict.Met, "30 d", "30 d", null, "30 d",
                "Every kept point is locked for as long as the policy keeps it."),
            Row(RecoveryObjective.VerificationAge, RecoveryVerdict.Met, "30 d", "9 d", null, "5 d",
                "The point of 2026-11-24 was read as a whole and found good."),
            Row(RecoveryObjective.Schedule, RecoveryVerdict.Missed, "every 6 h", null, null, "12 runs missed",
                "12 runs should have made a point since 2026-11-26 06:30 UTC, and none did.",
                "See what the task's history says on the machine that runs it."),
        ]);

    /// <summary>Backed up, and nobody has ever restored it.</summary>
    internal static ApplianceEvidence Untested(int number, string name) =>
        Appliance(number, name, AllPoints(number, s_since.AddDays(50), Now), 0,
        [
            Row(RecoveryObjective.Rpo, RecoveryVerdict.Met, "6 h", "6 h 5 min", "6 h", "30 min",
                "The longest time between good points was 6 h 5 min, within the objective and its tolerance.", null,
                TimeSpan.FromHours(6), TimeSpan.FromMinutes(365)),
            Row(RecoveryObjective.Rto, RecoveryVerdict.NotEvidenced, "2 h", null, null, null,
                "No restore test has measured how long a restore takes.", "Run Test-NataliaRestore."),
            Row(RecoveryObjective.RestoreTestAge, RecoveryVerdict.NotEvidenced, "92 d", null, null, null,
                "No restore test is recorded.", "Run Test-NataliaRestore on an isolated network."),
            Row(RecoveryObjective.Coverage, RecoveryVerdict.Met, "7 days, 4 weeks, 3 months", "all held", null,
                "all held", "Every day, week and month since the first point is held."),
            Row(RecoveryObjective.OffHost, RecoveryVerdict.NotEvidenced, "another machine", null, null, null,
                "Nothing tells whether the share lies on the VM host.", "Connect the hypervisor while measuring."),
            Row(RecoveryObjective.Immutability, RecoveryVerdict.Met, "30 d", "30 d", null, "30 d",
                "Every kept point is locked for as long as the policy keeps it."),
            Row(RecoveryObjective.VerificationAge, RecoveryVerdict.Met, "30 d", "8 d", null, "1 d",
                "The point of 2026-11-28 was read as a whole and found good."),
            Row(RecoveryObjective.Schedule, RecoveryVerdict.Met, "every 6 h", null, null, "on time",
                "The newest point is younger than the schedule's interval."),
        ]);

    /// <summary>Enrolled, and nothing was ever made of it.</summary>
    internal static ApplianceEvidence Empty(int number, string name) => Appliance(number, name, [], 0,
    [
        Row(RecoveryObjective.Rpo, RecoveryVerdict.NotEvidenced, "6 h", null, null, null,
            "There is no restore point.", "Run Invoke-NataliaBackup.", TimeSpan.FromHours(6)),
    ]);

    /// <summary>Three years of it: 4,380 points made, 18 kept, 12 restore tests.</summary>
    internal static ApplianceEvidence Large(int number)
    {
        string name = $"natalia-{number:000}";
        ApplianceEvidence usual = number % 3 == 0 ? Stopped(2, name) : Good(number, name);
        EvidencePoint[] points = Retained(AllPoints(number, Now.AddDays(-1095), Now, Now.AddDays(-300)));
        return usual with
        {
            ApplianceId = Id(number, 0),
            SinceUtc = Now.AddDays(-1095),
            Points = points,
            Gaps = Gaps(points),
            RestoreTests = [.. Enumerable.Range(0, 12).Select(i => Test(number, i, name, passed: i != 4))],
            Measurements = [.. usual.Measurements.Select(m => m with { ApplianceId = Id(number, 0) })],
        };
    }

    internal static RestoreTest Test(int number, int index, string name, bool passed) => new()
    {
        RestoreTestId = Id(number, 9000 + index),
        ApplianceId = Id(number, 0),
        ApplianceName = name,
        RestorePointId = Id(number, 1),
        PointTimeUtc = Now.AddDays(-17 - (30 * index)).AddHours(-2),
        RepositoryId = RepositoryId,
        Repository = "nas",
        Result = passed ? RestoreTestResult.Passed : RestoreTestResult.Failed,
        Reason = passed ? null : "CdrCount: 48 211 call records instead of 49 245.",
        TestBench = "lab",
        TestBenchKind = "Qemu",
        SizeBytes = 120L << 30,
        StartedUtc = Now.AddDays(-17 - (30 * index)),
        RestoreDuration = TimeSpan.FromMinutes(31 + index),
        BootDuration = TimeSpan.FromSeconds(74),
        ChecksDuration = TimeSpan.FromMinutes(9),
        Duration = TimeSpan.FromMinutes(43 + index),
        Checks =
        [
            Check("Restore", "120 GiB", "120 GiB", null, 1860),
            Check("Isolation", "no way out", "1 adapter on natalia-isolated", null, 2),
            Check("Boot", "answers", "answered", null, 74),
            Check("Integrity", "exit code 0", "exit code 0", null, 412),
            Check("AuditLog", "exit code 0", "exit code 0", null, 96),
            Check("CdrCount", "49245", passed ? "49238" : "48211", "0.5 %", 8, passed
                ? CheckOutcome.Passed
                : CheckOutcome.Failed),
            Check("Destroyed", "gone", "gone", null, 6),
        ],
    };

    private static CheckResult Check(string name, string expected, string actual, string? tolerance, int seconds,
        CheckOutcome result = CheckOutcome.Passed) => new()
        {
            Name = name,
            Result = result,
            Expected = expected,
            Actual = actual,
            Tolerance = tolerance,
            Duration = TimeSpan.FromSeconds(seconds),
            Detail = result == CheckOutcome.Passed ? null : "2.1 % fewer call records than when the point was made.",
        };

    private static ApplianceEvidence Appliance(int number, string name, EvidencePoint[] made, int tests,
        RecoveryMeasurement[] rows)
    {
        EvidencePoint[] points = Retained(made);
        EvidenceGap[] gaps = Gaps(points);
        EvidencePoint? newest = points.LastOrDefault(p => p.IsGood);
        RestoreTest[] done = [.. Enumerable.Range(0, tests)
            .Select(i => Test(number, i, name, passed: number != 2 || i > 0))];
        return new ApplianceEvidence
        {
            ApplianceId = Id(number, 0),
            ApplianceName = name,
            HypervisorKind = "VMware",
            Hypervisor = "vcenter",
            VMHost = "esx-02.example",
            Repository = "nas",
            RepositoryId = RepositoryId,
            IsEnrolled = true,
            EnrolledUtc = s_since.AddDays(-200),
            Strategy = BackupStrategy.SixHourly,
            IsStrategySet = true,
            SinceUtc = s_since,
            MeasuredUtc = Now,
            SizeBytes = newest?.SizeBytes,
            Points = points,
            Gaps = gaps,
            RestoreTests = done,
            Holdings = Holdings(points),
            Repositories =
            [
                new RepositoryEvidence
                {
                    RepositoryId = RepositoryId,
                    Repository = "nas",
                    RepositoryKind = "Natalia",
                    StoreKind = "S3",
                    Location = "s3://natalia-backup (nas.example)",
                    IsOffHost = number != 3 ? true : null,
                    OffHostDetail = number != 3
                        ? "nas.example is not esx-02.example."
                        : "The VM host is not known while its hypervisor is not connected.",
                    IsImmutable = true,
                    ImmutableDays = 30,
                    ImmutableWhileKept = true,
                    ImmutabilityMode = ObjectLockMode.Governance,
                    RetentionPolicy = "last 4, daily 7, weekly 4, monthly 3 (Europe/Paris)",
                    HasFullHistory = true,
                    AuditKeyFingerprint = new string('7', 8) + Id(number, 3) + Id(number, 4).Substring(8),
                },
            ],
            Measurements = [.. rows.Select(r => r with
            {
                ApplianceId = Id(number, 0),
                ApplianceName = name,
                Repository = "nas",
                RepositoryId = RepositoryId,
                Records = Records(r.Objective, newest, done),
            })],
        };
    }

    private static EvidenceRecord[] Records(RecoveryObjective objective, EvidencePoint? newest, RestoreTest[] tests) =>
        objective switch
        {
            RecoveryObjective.Rto or RecoveryObjective.RestoreTestAge =>
                [.. tests.Take(3)
                    .Select(t => new EvidenceRecord(EvidenceKind.RestoreTest, t.RestoreTestId, t.StartedUtc))],
            RecoveryObjective.Schedule when newest is not null =>
                [new EvidenceRecord(EvidenceKind.Schedule, "backup-natalia", null)],
            _ when newest is not null =>
                [new EvidenceRecord(EvidenceKind.RestorePoint, newest.RestorePointId, newest.TimeUtc)],
            _ => [],
        };

    private static RecoveryMeasurement Row(RecoveryObjective objective, RecoveryVerdict verdict, string target,
        string? attained, string? typical, string? now, string reason, string? action = null,
        TimeSpan? targetTime = null, TimeSpan? attainedTime = null) => new()
        {
            ApplianceId = "",
            ApplianceName = "",
            Strategy = BackupStrategy.SixHourly,
            Objective = objective,
            Verdict = verdict,
            Target = target,
            Attained = attained,
            Typical = typical,
            Now = now,
            TargetTime = targetTime,
            AttainedTime = attainedTime,
            NowTime = attainedTime is null ? null : attainedTime,
            TypicalTime = targetTime,
            Reason = reason,
            RecommendedAction = action,
            SinceUtc = s_since,
            MeasuredUtc = Now,
        };

    private static EvidencePoint[] AllPoints(int number, DateTime from, DateTime until, DateTime? hole = null)
    {
        var points = new List<EvidencePoint>();
        for (int i = 0; ; i++)
        {
            DateTime time = from.Date.AddMinutes(30).AddHours(6 * i);
            if (time > until) break;
            if (time < from || (hole is DateTime begin && time > begin && time < begin.AddDays(1.5))) continue;
            points.Add(new EvidencePoint
            {
                RestorePointId = Id(number, i + 1),
                RepositoryId = RepositoryId,
                Repository = "nas",
                TimeUtc = time,
                State = i % 9 == 0 ? EvidencePointState.Verified : EvidencePointState.Unverified,
                VerifiedUtc = i % 9 == 0 ? time.AddHours(5) : null,
                Type = time.Hour == 0 ? BackupType.Full : BackupType.Incremental,
                Consistency = Consistency.Application,
                SizeBytes = 120L << 30,
                AllocatedBytes = (41L << 30) + (i * 9_400_000L),
                StoredBytes = 180_000_000L + ((i * 7919 % 23) * 11_000_000L) + (time.Hour == 0 ? 90_000_000L : 0),
                IsKept = true,
                ImmutableUntilUtc = time.AddDays(95),
                RecordHash = Id(number, i + 1) + Id(number, i + 100_000),
            });
        }
        return [.. points];
    }

    /// <summary>The rest was removed, as GFS does.</summary>
    private static EvidencePoint[] Retained(EvidencePoint[] points)
    {
        var keeps = new Dictionary<string, string>();
        Keep(points.Reverse().Take(4), "last", 4);
        Keep(points.Reverse().GroupBy(p => p.TimeUtc.Date).Select(g => g.First()).Take(7), "daily", 7);
        Keep(points.Reverse().GroupBy(p => Week(p.TimeUtc)).Select(g => g.First()).Skip(1).Take(4), "weekly", 4);
        Keep(points.Reverse().GroupBy(p => p.TimeUtc.Month).Select(g => g.First()).Skip(1).Take(3), "monthly", 3);
        return [.. points.Select(p => keeps.TryGetValue(p.RestorePointId, out string? by)
            ? p with { KeptBy = by }
            : p with
            {
                IsKept = false,
                RemovedUtc = p.TimeUtc.AddDays(7),
                SizeBytes = null,
                AllocatedBytes = null,
                StoredBytes = null,
                ImmutableUntilUtc = null,
            })];

        void Keep(IEnumerable<EvidencePoint> kept, string rule, int limit)
        {
            int slot = 0;
            foreach (EvidencePoint point in kept) keeps.TryAdd(point.RestorePointId, $"{rule} {++slot} of {limit}");
        }
    }

    private static EvidenceGap[] Gaps(EvidencePoint[] points)
    {
        if (points.Length == 0) return [];
        var gaps = new List<EvidenceGap>();
        for (int i = 0; i < points.Length; i++)
        {
            DateTime to = i + 1 < points.Length ? points[i + 1].TimeUtc : Now;
            gaps.Add(new EvidenceGap(points[i].TimeUtc, to, points[i].RestorePointId,
                i + 1 < points.Length ? points[i + 1].RestorePointId : null,
                to - points[i].TimeUtc > TimeSpan.FromHours(7), false));
        }
        return [.. gaps];
    }

    private static EvidenceHolding[] Holdings(EvidencePoint[] points)
    {
        var holdings = new List<EvidenceHolding>();
        Add(RetentionRule.Daily, [.. Enumerable.Range(0, 7).Select(d => Text($"{Now.AddDays(-d):yyyy-MM-dd}"))],
            p => Text($"{p.TimeUtc:yyyy-MM-dd}"));
        Add(RetentionRule.Weekly, [.. Enumerable.Range(0, 4).Select(w => Week(Now.AddDays(-7 * w)))],
            p => Week(p.TimeUtc));
        Add(RetentionRule.Monthly, [.. Enumerable.Range(0, 3).Select(m => Text($"{Now.AddMonths(-m):yyyy-MM}"))],
            p => Text($"{p.TimeUtc:yyyy-MM}"));
        return [.. holdings];

        void Add(RetentionRule rule, string[] periods, Func<EvidencePoint, string> period)
        {
            foreach (string one in periods)
            {
                EvidencePoint? point = points.LastOrDefault(p => p.IsKept && period(p) == one);
                bool isExpected = points.Length > 0 && string.CompareOrdinal(one, period(points[0])) >= 0;
                holdings.Add(new EvidenceHolding(rule, one, "Europe/Paris", point?.RestorePointId, point?.TimeUtc,
                    isExpected));
            }
        }
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    private static string Week(DateTime time) =>
        $"{System.Globalization.ISOWeek.GetYear(time)}-W{System.Globalization.ISOWeek.GetWeekOfYear(time):00}";

    private static string Id(int number, int index)
    {
        byte[] bytes = System.Security.Cryptography.SHA256.HashData(
            System.Text.Encoding.ASCII.GetBytes($"{number} {index}"));
        return Convert.ToHexStringLower(bytes.AsSpan(0, 16));
    }
}
