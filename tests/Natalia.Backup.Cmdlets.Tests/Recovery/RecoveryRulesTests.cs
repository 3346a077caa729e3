using CsCheck;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.RestoreTests;
using static Natalia.Backup.Cmdlets.Tests.Recovery.Facts;

namespace Natalia.Backup.Cmdlets.Tests.Recovery;

/// <summary>The verdicts, as pure functions of evidence.</summary>
public sealed class RecoveryRulesTests
{
    private static readonly EvidencePointState[] s_bad =
        [EvidencePointState.Damaged, EvidencePointState.Doubtful, EvidencePointState.Missing];

    /// <summary>Points at random hours of the last 120 days, each in a random state.</summary>
    private static readonly Gen<EvidencePoint[]> s_points =
        Gen.Select(Gen.Double[0.1, 2880], Gen.Int[0, 6]).Select(t => Ago(t.Item1, t.Item2 switch
        {
            0 => EvidencePointState.Damaged,
            1 => EvidencePointState.Missing,
            2 => EvidencePointState.Verified,
            _ => EvidencePointState.Unverified,
        })).Array[0, 60];

    private static readonly Gen<BackupStrategy> s_strategy =
        Gen.Int[0, 2].Select(i => (BackupStrategy)i);

    [Fact]
    public void Without_any_evidence_nothing_is_met()
    {
        foreach (BackupStrategy strategy in Enum.GetValues<BackupStrategy>())
        {
            ApplianceEvidence evidence = Evidence([], strategy);
            Assert.Equal(Enum.GetValues<RecoveryObjective>(), evidence.Measurements.Select(m => m.Objective));
            Assert.DoesNotContain(evidence.Measurements, m => m.Verdict == RecoveryVerdict.Met);
            Assert.All(evidence.Measurements, m => Assert.NotEmpty(m.Reason));
        }
    }

    [Fact]
    public void With_bad_points_alone_nothing_that_rests_on_points_is_met() =>
        Gen.Select(s_points, Gen.Int[0, 2], s_strategy).Sample((points, bad, strategy) =>
        {
            ApplianceEvidence evidence = Evidence(points.Select(p => p with { State = s_bad[bad] }), strategy);
            Assert.DoesNotContain(evidence.Measurements,
                m => m.Verdict == RecoveryVerdict.Met && m.Objective != RecoveryObjective.Schedule);
        });

    [Fact]
    public void A_met_verdict_names_its_records_and_what_was_attained_and_every_verdict_its_reason() =>
        Gen.Select(s_points, s_strategy).Sample((points, strategy) =>
        {
            foreach (RecoveryMeasurement row in Evidence(points, strategy, [Test(10)]).Measurements)
            {
                Assert.EndsWith(".", row.Reason.TrimEnd(), StringComparison.Ordinal);
                if (row.Verdict != RecoveryVerdict.Met) continue;
                Assert.NotEmpty(row.Records);
                Assert.NotNull(row.Attained);
            }
        });

    /// <summary>Taking a point away, or finding it damaged, never turns a verdict on gaps into Met.</summary>
    [Fact]
    public void Fewer_good_points_never_make_the_rpo_better() =>
        Gen.Select(s_points, Gen.Int[0, 59], s_strategy).Sample((points, at, strategy) =>
        {
            if (points.Length == 0) return;
            EvidencePoint lost = points[at % points.Length];
            RecoveryMeasurement before = Evidence(points, strategy).Row(RecoveryObjective.Rpo);
            RecoveryMeasurement after = Evidence(points.Select(p => p == lost
                ? p with { State = EvidencePointState.Damaged }
                : p), strategy).Row(RecoveryObjective.Rpo);
            // The first point of all bounds what is known: without it less was watched, and that is not better.
            if (after.Verdict == RecoveryVerdict.Met && lost.TimeUtc != points.Min(p => p.TimeUtc))
                Assert.Equal(RecoveryVerdict.Met, before.Verdict);
            if (lost.TimeUtc == points.Max(p => p.TimeUtc) && before.NowTime is TimeSpan now
                && after.NowTime is TimeSpan later && lost.IsGood)
                Assert.True(later >= now);
        });

    [Fact]
    public void A_longer_gap_never_makes_the_rpo_better() =>
        Gen.Select(Gen.Double[0.5, 5], Gen.Double[0.1, 200], Gen.Double[0.1, 200]).Sample((step, gap, more) =>
        {
            RecoveryMeasurement Measured(double hours) =>
                Evidence([.. Every(step, 40), .. Every(step, 40, 1 + 39 * step + hours)]).Row(RecoveryObjective.Rpo);
            RecoveryMeasurement shorter = Measured(gap), longer = Measured(gap + more);
            Assert.True(longer.AttainedTime >= shorter.AttainedTime);
            if (longer.Verdict == RecoveryVerdict.Met) Assert.Equal(RecoveryVerdict.Met, shorter.Verdict);
        });

    [Theory]
    [InlineData(BackupStrategy.SixHourly, 6, "Met")]
    [InlineData(BackupStrategy.SixHourly, 6.4, "Met")]
    [InlineData(BackupStrategy.SixHourly, 6.6, "Missed")]
    [InlineData(BackupStrategy.Daily, 24, "Met")]
    [InlineData(BackupStrategy.Daily, 25, "Met")]
    [InlineData(BackupStrategy.Daily, 26.1, "Missed")]
    public void The_start_and_the_length_of_a_run_are_granted_a_twelfth(BackupStrategy strategy, double hours,
        string verdict)
    {
        RecoveryMeasurement row = Evidence(Every(hours, 20), strategy).Row(RecoveryObjective.Rpo);
        Assert.Equal(verdict, row.Verdict.ToString());
        Assert.Equal(hours, row.AttainedTime!.Value.TotalHours, 3);
        Assert.Equal(hours, row.TypicalTime!.Value.TotalHours, 3);
        Assert.Equal(1, row.NowTime!.Value.TotalHours, 3);
        if (verdict == "Met" && row.AttainedTime > row.TargetTime)
            Assert.Contains("granted", row.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_watched_for_less_than_the_target_is_not_evidenced()
    {
        Assert.Equal(RecoveryVerdict.NotEvidenced, Evidence([Ago(0.001)]).Row(RecoveryObjective.Rpo).Verdict);
        Assert.Equal(RecoveryVerdict.NotEvidenced,
            Evidence([Ago(0.1), Ago(5.5)]).Row(RecoveryObjective.Rpo).Verdict);
        Assert.Equal(RecoveryVerdict.Met, Evidence([Ago(0.1), Ago(6.1)]).Row(RecoveryObjective.Rpo).Verdict);
    }

    [Fact]
    public void A_gap_counts_as_a_whole_when_it_ends_in_the_period_and_an_older_one_does_not()
    {
        // 20 h, of which 2 lie in the day that is measured; and a longer one before.
        List<EvidencePoint> points = [.. Every(6, 4, 4), Ago(22 + 20), Ago(42 + 100)];
        RecoveryMeasurement row = Evidence(points, days: 1).Row(RecoveryObjective.Rpo);
        Assert.Equal((RecoveryVerdict.Missed, 20d), (row.Verdict, row.AttainedTime!.Value.TotalHours));
        Assert.Equal(points[4].RestorePointId, row.Records[0].Id);
    }

    [Fact]
    public void Crash_consistent_and_verified_points_are_counted_and_said()
    {
        List<EvidencePoint> points = [.. Every(6, 10)];
        points[0] = points[0] with { Consistency = Consistency.Crash };
        points[1] = points[1] with { State = EvidencePointState.Verified };
        points.Add(Ago(3, EvidencePointState.Damaged));
        RecoveryMeasurement row = Evidence(points).Row(RecoveryObjective.Rpo);
        Assert.Equal(RecoveryVerdict.Met, row.Verdict);
        Assert.Contains("10 good points", row.Reason, StringComparison.Ordinal);
        Assert.Contains("1 of them crash-consistent, 1 of them verified; 1 more does not count", row.Reason,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_copy_is_the_state_of_its_original()
    {
        List<EvidencePoint> points = [.. Every(6, 10)];
        ApplianceEvidence both = Evidence([.. points, .. points.Select(p => Point(p.TimeUtc, original: p.RestorePointId,
            repository: "s3"))]);
        Assert.Equal(Evidence(points).Gaps.Select(g => g.Length), both.Gaps.Select(g => g.Length));
        Assert.Contains(" 10 good points", both.Row(RecoveryObjective.Rpo).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3, 0, null, true, "Met")]
    [InlineData(5.9, 0, null, true, "Met")]
    [InlineData(6.1, 0, null, true, "Missed")]
    [InlineData(3, 2, null, true, "NotEvidenced")]
    [InlineData(3, 0, "The target has no room.", true, "NotEvidenced")]
    [InlineData(-0.9, 0, null, true, "Met")]
    [InlineData(-1.1, 0, null, true, "NotEvidenced")]
    [InlineData(3, 0, null, false, "NotEvidenced")]
    public void A_replication_counts_by_its_lag(double minutes, int failures, string? error, bool isEnabled,
        string verdict)
    {
        ApplianceEvidence evidence = Evidence(Every(24, 10), BackupStrategy.Replication) with
        {
            Hypervisor = "pve",
            Replications = [new ReplicationState
            {
                ReplicationId = "101-0",
                ApplianceId = new string('a', 32),
                TargetVMHost = "pve2",
                Lag = TimeSpan.FromMinutes(minutes),
                FailureCount = failures,
                Error = error,
                IsEnabled = isEnabled,
            }],
        };
        RecoveryMeasurement row = evidence.Row(RecoveryObjective.Rpo);
        Assert.Equal(verdict, row.Verdict.ToString());
        if (isEnabled) Assert.Equal("101-0", row.Records.Single().Id);
        if (error is not null) Assert.Contains(error, row.Reason, StringComparison.Ordinal);
        // A replication follows deletions, and is no backup: those are still due each day.
        Assert.Equal(TimeSpan.FromHours(24), evidence.Row(RecoveryObjective.Schedule).TargetTime);
    }

    [Fact]
    public void A_replication_that_is_not_there_is_missed_when_the_hypervisor_was_asked()
    {
        ApplianceEvidence evidence = Evidence(Every(24, 10), BackupStrategy.Replication);
        Assert.Equal(RecoveryVerdict.NotEvidenced, evidence.Row(RecoveryObjective.Rpo).Verdict);
        Assert.Equal(RecoveryVerdict.Missed,
            (evidence with { Hypervisor = "pve" }).Row(RecoveryObjective.Rpo).Verdict);
    }

    [Fact]
    public void The_time_of_a_recovery_is_restore_and_checks_scaled_and_the_start()
    {
        ApplianceEvidence evidence = Evidence(Every(6, 10), tests: [Test(10, restoreMinutes: 30, size: 50L << 30)]);
        RecoveryMeasurement row = evidence.Row(RecoveryObjective.Rto);
        // The disk doubled since: twice 30 + 3 minutes, and 2 for the start.
        Assert.Equal((RecoveryVerdict.Met, 68d), (row.Verdict, row.AttainedTime!.Value.TotalMinutes));
        Assert.Contains("times 2.00", row.Reason, StringComparison.Ordinal);
        Assert.Equal(EvidenceKind.RestoreTest, row.Records.Single().Kind);
        // A smaller disk than the tested one takes nothing off what was measured.
        Assert.Equal(35, Evidence([], tests: [Test(10, size: 200L << 30)]).Row(RecoveryObjective.Rto)
            .AttainedTime!.Value.TotalMinutes);
    }

    [Fact]
    public void A_larger_disk_never_makes_a_recovery_faster() =>
        Gen.Select(Gen.Long[1, 1L << 40], Gen.Long[1, 1L << 40], Gen.Double[0.1, 300]).Sample((small, more, minutes) =>
        {
            ApplianceEvidence evidence = Evidence(Every(6, 10), tests: [Test(10, restoreMinutes: minutes)]);
            RecoveryMeasurement Measured(long size) =>
                (evidence with { SizeBytes = size }).Row(RecoveryObjective.Rto);
            RecoveryMeasurement before = Measured(small), after = Measured(small + more);
            Assert.True(after.AttainedTime >= before.AttainedTime);
            if (after.Verdict == RecoveryVerdict.Met) Assert.Equal(RecoveryVerdict.Met, before.Verdict);
        });

    [Fact]
    public void What_is_allocated_scales_too_where_it_is_known()
    {
        EvidencePoint tested = Ago(241) with { AllocatedBytes = 10L << 30 };
        EvidencePoint newest = Ago(1) with { AllocatedBytes = 40L << 30 };
        RecoveryMeasurement row = Evidence([tested, newest],
            tests: [Test(10, point: tested.RestorePointId)]).Row(RecoveryObjective.Rto);
        Assert.Equal((30 + 3) * 4 + 2, row.AttainedTime!.Value.TotalMinutes);
        Assert.DoesNotContain("virtual size", row.Reason, StringComparison.Ordinal);
        // Retention takes the tested point: its test knows what was allocated in it.
        EvidencePoint gone = Ago(241) with { RestorePointId = tested.RestorePointId, IsKept = false };
        RestoreTest test = Test(10, point: tested.RestorePointId);
        row = Evidence([gone, newest], tests: [test with { AllocatedBytes = 10L << 30 }]).Row(RecoveryObjective.Rto);
        Assert.Equal((30 + 3) * 4 + 2, row.AttainedTime!.Value.TotalMinutes);
        // Of a test that does not, the time is no better than it is said to be.
        row = Evidence([gone, newest], tests: [test]).Row(RecoveryObjective.Rto);
        Assert.Equal(30 + 3 + 2, row.AttainedTime!.Value.TotalMinutes);
        Assert.Contains("what was allocated then is not known: only the virtual size was compared", row.Reason,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_test_on_another_kind_of_hypervisor_proves_the_point_and_not_the_rto()
    {
        ApplianceEvidence evidence = Evidence(Every(6, 10), tests: [Test(10, kind: "Qemu")], kind: "Proxmox");
        RecoveryMeasurement rto = evidence.Row(RecoveryObjective.Rto);
        Assert.Equal((RecoveryVerdict.NotEvidenced, (string?)null), (rto.Verdict, rto.Attained));
        Assert.Contains("ran on Qemu, and the appliance runs on Proxmox", rto.Reason, StringComparison.Ordinal);
        Assert.Equal(RecoveryVerdict.Met, evidence.Row(RecoveryObjective.RestoreTestAge).Verdict);
    }

    [Fact]
    public void A_test_from_the_repository_proves_the_point_and_not_the_rto()
    {
        RestoreTest served = Test(5) with { IsFromRepository = true, RestoreDuration = null };
        ApplianceEvidence alone = Evidence(Every(6, 10), tests: [served]);
        RecoveryMeasurement rto = alone.Row(RecoveryObjective.Rto);
        Assert.Equal((RecoveryVerdict.NotEvidenced, (string?)null), (rto.Verdict, rto.Attained));
        Assert.Contains("its VM ran from the repository", rto.Reason, StringComparison.Ordinal);
        Assert.Equal(RecoveryVerdict.Met, alone.Row(RecoveryObjective.RestoreTestAge).Verdict);
        // Beside one that restored it is not counted.
        rto = Evidence(Every(6, 10), tests: [served, Test(10)]).Row(RecoveryObjective.Rto);
        Assert.Equal((RecoveryVerdict.Met, 35), (rto.Verdict, rto.AttainedTime!.Value.TotalMinutes));
        Assert.EndsWith("The slowest of 1 passed.", rto.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_restore_that_failed_is_not_made_good_by_a_test_from_the_repository()
    {
        RestoreTest served = Test(2) with { IsFromRepository = true, RestoreDuration = null };
        RestoreTest[] tests = [served, Test(5, RestoreTestResult.Failed), Test(10)];
        Assert.Equal(RecoveryVerdict.Missed, Evidence(Every(6, 10), tests: tests).Row(RecoveryObjective.Rto).Verdict);
        // One that restored makes it good; a newer one from the repository that failed does not let it be.
        Assert.Equal(RecoveryVerdict.Met,
            Evidence(Every(6, 10), tests: [.. tests, Test(4)]).Row(RecoveryObjective.Rto).Verdict);
        RestoreTest failed = Test(1, RestoreTestResult.Failed) with { IsFromRepository = true, RestoreDuration = null };
        Assert.Equal(RecoveryVerdict.Missed,
            Evidence(Every(6, 10), tests: [.. tests, Test(4), failed]).Row(RecoveryObjective.Rto).Verdict);
    }

    [Theory]
    [InlineData(RestoreTestResult.Failed, "Missed", "Missed")]
    [InlineData(RestoreTestResult.NotTested, "Met", "Met")]
    public void A_newer_test_that_failed_counts_and_one_that_could_not_tell_does_not(RestoreTestResult result,
        string rto, string age)
    {
        ApplianceEvidence evidence = Evidence(Every(6, 10), tests: [Test(10), Test(5, result)]);
        Assert.Equal(rto, evidence.Row(RecoveryObjective.Rto).Verdict.ToString());
        Assert.Equal(age, evidence.Row(RecoveryObjective.RestoreTestAge).Verdict.ToString());
    }

    [Theory]
    [InlineData(91, "Met")]
    [InlineData(93, "Missed")]
    public void A_restore_test_is_due_each_quarter(double days, string verdict) =>
        Assert.Equal(verdict, Evidence(Every(6, 10), tests: [Test(days)]).Row(RecoveryObjective.RestoreTestAge)
            .Verdict.ToString());

    [Fact]
    public void Who_never_tested_is_not_evidenced_for_a_quarter_and_missed_from_then_on()
    {
        Assert.Equal(RecoveryVerdict.NotEvidenced,
            Evidence(Every(24, 80)).Row(RecoveryObjective.RestoreTestAge).Verdict);
        Assert.Equal(RecoveryVerdict.Missed,
            Evidence(Every(24, 100)).Row(RecoveryObjective.RestoreTestAge).Verdict);
    }

    [Fact]
    public void The_rto_of_replication_is_not_disproved_by_a_slower_restore()
    {
        Assert.Equal(RecoveryVerdict.NotEvidenced, Evidence(Every(24, 10), BackupStrategy.Replication,
            [Test(10, restoreMinutes: 60)]).Row(RecoveryObjective.Rto).Verdict);
        Assert.Equal(RecoveryVerdict.Missed, Evidence(Every(24, 10), BackupStrategy.SixHourly,
            [Test(10, restoreMinutes: 600)]).Row(RecoveryObjective.Rto).Verdict);
    }

    [Fact]
    public void Fourteen_periods_are_wanted_and_one_that_is_not_held_is_named()
    {
        List<EvidencePoint> points = [.. Every(24, 200)];
        RecoveryMeasurement full = Evidence(points).Row(RecoveryObjective.Coverage);
        Assert.Equal((RecoveryVerdict.Met, "14 of 14"), (full.Verdict, full.Attained));
        points.RemoveAll(p => p.TimeUtc.Date == Now.AddDays(-3).Date);
        RecoveryMeasurement holed = Evidence(points).Row(RecoveryObjective.Coverage);
        Assert.Equal((RecoveryVerdict.Missed, "13 of 14"), (holed.Verdict, holed.Attained));
        Assert.Contains($"day {Now.AddDays(-3):yyyy-MM-dd}", holed.Reason, StringComparison.Ordinal);
        // A fresh appliance has missed nothing, and has not shown it yet.
        RecoveryMeasurement fresh = Evidence(Every(24, 10)).Row(RecoveryObjective.Coverage);
        Assert.Equal(RecoveryVerdict.NotEvidenced, fresh.Verdict);
    }

    /// <summary>What the retention policy 7/4/3 leaves of daily backups is what coverage asks for.</summary>
    [Fact]
    public void What_the_retention_policy_keeps_covers() =>
        Gen.Select(Gen.Int[130, 400], Gen.Int[0, 2]).Sample((days, place) =>
        {
            string zone = new[] { "UTC", "Europe/Paris", "America/St_Johns" }[place];
            List<EvidencePoint> all = [.. Every(24, days, 3)];
            RetentionPolicy policy = RetentionPolicy.For(BackupStrategy.Daily) with { TimeZoneId = zone };
            HashSet<string?> kept = [.. RetentionPlanner.Plan(all.Select(p => new RetentionPoint
            {
                RestorePointId = p.RestorePointId,
                TimeUtc = p.TimeUtc,
            }), policy, Now).Where(r => r.Action == RetentionAction.Keep).Select(r => r.RestorePointId)];
            IReadOnlyList<EvidenceHolding> holdings = CoverageRules.Holdings(
                [.. all.Select(p => p with { IsKept = kept.Contains(p.RestorePointId) })], all.Min(p => p.TimeUtc),
                zone, Now);
            Assert.Equal(14, holdings.Count(h => h.IsExpected));
            Assert.All(holdings, h => Assert.True(h.IsHeld, $"{h.Rule} {h.Period} {days} {zone}"));
        }, iter: 60);

    [Theory]
    [InlineData(true, 1, "Met")]
    [InlineData(true, 30, "Missed")]
    [InlineData(false, 1, "Missed")]
    [InlineData(null, 1, "NotEvidenced")]
    public void A_young_good_point_off_the_host_is_wanted(bool? isOffHost, double hours, string verdict) =>
        Assert.Equal(verdict, (Evidence([Ago(hours)]) with { Repositories = [Place("nas", isOffHost, null)] })
            .Row(RecoveryObjective.OffHost).Verdict.ToString());

    [Theory]
    [InlineData(10, true, "Met")]
    [InlineData(-1, true, "Missed")]
    [InlineData(null, false, "Missed")]
    [InlineData(null, null, "NotEvidenced")]
    public void A_young_good_point_that_is_locked_is_wanted(int? days, bool? isImmutable, string verdict)
    {
        EvidencePoint point = Ago(1) with { ImmutableUntilUtc = days is int d ? Now.AddDays(d) : null };
        Assert.Equal(verdict, (Evidence([point]) with { Repositories = [Place("nas", true, isImmutable)] })
            .Row(RecoveryObjective.Immutability).Verdict.ToString());
    }

    [Theory]
    [InlineData(ObjectLockMode.Compliance, "is locked in Compliance mode; the newest")]
    [InlineData(ObjectLockMode.Governance,
        "is locked in Governance mode, whose locks an administrator with a special right can lift; the newest")]
    [InlineData(null, "is locked; the newest")]
    public void How_strong_the_locks_are_is_said(ObjectLockMode? mode, string words) =>
        Assert.Contains(words, (Evidence([Ago(1) with { ImmutableUntilUtc = Now.AddDays(10) }]) with
        {
            Repositories = [Place("nas", true, true) with { ImmutabilityMode = mode }],
        }).Row(RecoveryObjective.Immutability).Reason, StringComparison.Ordinal);

    [Fact]
    public void A_damaged_point_that_is_kept_spoils_what_was_verified()
    {
        List<EvidencePoint> points = [.. Every(6, 10)];
        points[2] = points[2] with { State = EvidencePointState.Verified, VerifiedUtc = Now.AddDays(-1) };
        RecoveryMeasurement row = Evidence(points).Row(RecoveryObjective.VerificationAge);
        Assert.Equal((RecoveryVerdict.Met, TimeSpan.FromDays(1)), (row.Verdict, row.NowTime));
        points[5] = points[5] with { State = EvidencePointState.Damaged, Trouble = "It was found damaged." };
        Assert.Equal(RecoveryVerdict.Missed, Evidence(points).Row(RecoveryObjective.VerificationAge).Verdict);
    }

    [Theory]
    [InlineData(1, "Met")]
    [InlineData(6.4, "Met")]
    [InlineData(6.6, "Missed")]
    [InlineData(30, "Missed")]
    public void A_task_that_never_started_is_found_by_the_age_of_the_newest_point(double hours, string verdict)
    {
        RecoveryMeasurement row = Evidence(Every(6, 10, hours)).Row(RecoveryObjective.Schedule);
        Assert.Equal(verdict, row.Verdict.ToString());
        if (hours > 29) Assert.Contains("4 backups should have run since", row.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_point_that_turned_out_damaged_shows_that_its_backup_ran()
    {
        ApplianceEvidence evidence = Evidence([Ago(1, EvidencePointState.Damaged), .. Every(6, 10, 7)]);
        Assert.Equal(RecoveryVerdict.Met, evidence.Row(RecoveryObjective.Schedule).Verdict);
        Assert.Equal(RecoveryVerdict.Missed, evidence.Row(RecoveryObjective.Rpo).Verdict);
    }

    [Fact]
    public void A_backup_that_was_missed_counts_as_long_as_the_period_reaches_back_to_it()
    {
        List<EvidencePoint> points = [.. Every(6, 5), .. Every(6, 40, 1 + 4 * 6 + 18)];
        Assert.Contains("2 backups", Evidence(points).Row(RecoveryObjective.Schedule).Reason,
            StringComparison.Ordinal);
        Assert.Equal(RecoveryVerdict.Met, Evidence(points, days: 1).Row(RecoveryObjective.Schedule).Verdict);
    }

    [Fact]
    public void A_schedule_that_is_switched_off_is_told_before_a_backup_is_late()
    {
        ApplianceEvidence evidence = Evidence(Every(6, 10)) with
        {
            Schedules = [new NativeSchedule { ScheduleId = "backup-1", IsEnabled = false }],
        };
        RecoveryMeasurement row = evidence.Row(RecoveryObjective.Schedule);
        Assert.Equal(RecoveryVerdict.Missed, row.Verdict);
        Assert.Contains("switched off: backup-1", row.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_retention_took_is_no_gap_and_what_it_would_have_kept_is_one()
    {
        var policy = new RetentionPolicy { Daily = 7, Weekly = 4 };
        List<EvidencePoint> all = [.. Every(24, 60, 3)];
        HashSet<string?> kept = [.. RetentionPlanner.Plan(all.Select(p => new RetentionPoint
        {
            RestorePointId = p.RestorePointId,
            TimeUtc = p.TimeUtc,
        }), policy, Now).Where(r => r.Action == RetentionAction.Keep).Select(r => r.RestorePointId)];
        List<EvidencePoint> points = all.FindAll(p => kept.Contains(p.RestorePointId));
        Assert.Equal(11, points.Count);
        Assert.DoesNotContain(Gaps(points), g => g.IsOverTarget);
        Assert.Equal(4, Gaps(points).Count(g => g.IsThinned));

        // The day before yesterday would have been kept.
        points.Remove(points.OrderByDescending(p => p.TimeUtc).ElementAt(2));
        EvidenceGap gap = Gaps(points).Single(g => g.IsOverTarget);
        Assert.Equal(TimeSpan.FromHours(48), gap.Length);

        IReadOnlyList<EvidenceGap> Gaps(List<EvidencePoint> there) => GapRules.Between(there, Now.AddDays(-92), Now,
            TimeSpan.FromHours(26), GapRules.Thinning(there, policy, TimeSpan.FromHours(24), Now));
    }

    [Fact]
    public void What_could_not_be_read_turns_what_seems_to_be_missing_into_not_evidenced()
    {
        ApplianceEvidence evidence = Evidence([]) with { Troubles = ["The share does not answer."] };
        foreach (RecoveryObjective objective in new[] { RecoveryObjective.Rpo, RecoveryObjective.Coverage,
            RecoveryObjective.OffHost, RecoveryObjective.Immutability, RecoveryObjective.Schedule })
        {
            RecoveryMeasurement row = evidence.Row(objective);
            Assert.Equal(RecoveryVerdict.NotEvidenced, row.Verdict);
            Assert.Contains("The share does not answer.", row.Reason, StringComparison.Ordinal);
        }
    }
}
