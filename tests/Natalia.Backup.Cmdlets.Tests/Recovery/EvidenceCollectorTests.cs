using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Recovery;

/// <summary>What is read for the verdicts, of real repositories in memory, by a clock of the test's own.</summary>
public sealed class EvidenceCollectorTests : IDisposable
{
    private static readonly string s_appliance = RepositoryFixture.Appliance.ApplianceId;

    private readonly FakeTimeProvider _clock = new(new DateTime(2026, 11, 1, 0, 0, 0, DateTimeKind.Utc));
    private readonly SessionRegistry _registry = new();
    private readonly List<Exception> _troubles = [];
    private readonly List<string> _warnings = [];
    private readonly List<RepositoryFixture> _fixtures = [];

    private DateTime Now => _clock.GetUtcNow().UtcDateTime;

    public void Dispose()
    {
        _registry.Dispose();
        foreach (RepositoryFixture fixture in _fixtures) fixture.Dispose();
    }

    [Fact]
    public async Task Points_that_retention_took_count_by_the_records_of_their_making()
    {
        Repository repository = await ConnectAsync("nas");
        List<RestorePoint> points = await BackUpAsync(repository, 8);
        await repository.RemoveRestorePointsAsync(s_appliance,
            [.. points.Take(5).Select(p => new PointRemoval(p, "retention"))], (_, refusal) => Assert.Null(refusal),
            default);
        ApplianceEvidence evidence = await OneAsync();
        Assert.Equal(8, evidence.Points.Count);
        Assert.Equal(3, evidence.Points.Count(p => p.IsKept));
        Assert.All(evidence.Points, p => Assert.True(p.IsGood && p.RecordHash is not null));
        Assert.All(evidence.Points, p => Assert.Equal(p.IsKept ? null : Now, p.RemovedUtc));
        Assert.Equal([.. points.Select(p => p.RestorePointId)], evidence.Points.Select(p => p.RestorePointId));
        Assert.Equal(8, evidence.Gaps.Count);
        RecoveryMeasurement rpo = evidence.Measurements.Single(m => m.Objective == RecoveryObjective.Rpo);
        Assert.Equal((RecoveryVerdict.Met, TimeSpan.FromHours(6)), (rpo.Verdict, rpo.AttainedTime));
    }

    [Fact]
    public async Task Damaged_unreadable_and_missing_points_do_not_count_and_verified_ones_are_told()
    {
        Repository repository = await ConnectAsync("nas");
        List<RestorePoint> points = await BackUpAsync(repository, 6);
        await repository.VerifyRestorePointAsync(points[1], null, default);
        IObjectStore store = _fixtures[0].Store;
        List<string> names = await NamesAsync("points");
        await store.DeleteAsync(names[2], default);
        StoredObject stat = (await store.StatAsync(names[3], default))!;
        var broken = new byte[stat.Length];
        await store.ReadAsync(names[3], 0, broken, default);
        broken[^1] ^= 1;
        await store.DeleteAsync(names[3], default);
        await store.PutAsync(names[3], new ObjectContent(broken), new PutOptions(), default);
        // A session of its own: another one remembers what it has read.
        ApplianceEvidence evidence = await OneAsync(await ConnectAsync("again", _fixtures[0]));
        Assert.Equal(
        [
            EvidencePointState.Unverified, EvidencePointState.Verified, EvidencePointState.Missing,
            EvidencePointState.Damaged, EvidencePointState.Unverified, EvidencePointState.Unverified,
        ], evidence.Points.Select(p => p.State));
        Assert.Equal(TimeSpan.FromHours(18), evidence.Gaps.Max(g => g.Length));
        Assert.Equal(RecoveryVerdict.Missed, evidence.Measurements[0].Verdict);
        Assert.Contains(_warnings, w => w.Contains(names[3], StringComparison.Ordinal)
            || w.Contains("cannot be read", StringComparison.Ordinal));
        Assert.All(evidence.Points.Where(p => !p.IsGood), p => Assert.NotNull(p.Trouble));
    }

    [Fact]
    public async Task What_a_repair_gave_up_because_it_was_lost_does_not_count_as_good_again()
    {
        Repository repository = await ConnectAsync("nas");
        List<RestorePoint> points = await BackUpAsync(repository, 6);
        await _fixtures[0].Store.DeleteAsync((await NamesAsync("points"))[2], default);
        RepositoryConnection again = await ConnectAsync("again", _fixtures[0]);
        Assert.Equal(RecoveryVerdict.Missed, (await OneAsync(again)).Measurements[0].Verdict);
        await again.Repository.RepairAsync(new Engine.Repair.RepairOptions { Full = true, RemoveLost = true },
            (_, failure) => throw failure, null, default);
        ApplianceEvidence evidence = await OneAsync(again);
        EvidencePoint lost = evidence.Points.Single(p => p.RestorePointId == points[2].RestorePointId);
        Assert.Equal((EvidencePointState.Damaged, Now), (lost.State, lost.RemovedUtc));
        Assert.Equal(RecoveryVerdict.Missed, evidence.Measurements[0].Verdict);
    }

    [Fact]
    public async Task A_point_that_was_verified_and_is_gone_tells_when_in_a_period_that_begins_after_it()
    {
        Repository repository = await ConnectAsync("nas");
        List<RestorePoint> points = await BackUpAsync(repository, 2, 24);
        await repository.VerifyRestorePointAsync(points[0], null, default);
        await BackUpAsync(repository, 8, 24);
        await repository.RemoveRestorePointsAsync(s_appliance, [new PointRemoval(points[0], "retention")],
            (_, refusal) => Assert.Null(refusal), default);
        ApplianceEvidence evidence = await OneAsync(sinceDays: 2);
        RecoveryMeasurement age = evidence.Measurements.Single(m => m.Objective == RecoveryObjective.VerificationAge);
        Assert.Equal((RecoveryVerdict.Met, TimeSpan.FromDays(8)), (age.Verdict, age.NowTime));
        Assert.Equal([24d, 24d, 24d], evidence.Gaps.Select(g => g.Length.TotalHours));
    }

    [Fact]
    public async Task A_point_that_is_gone_and_newer_than_all_that_are_kept_is_lost_and_its_state_does_not_count()
    {
        Repository repository = await ConnectAsync("nas");
        List<RestorePoint> points = await BackUpAsync(repository, 4);
        // Retention took it while there was a newer one, which somebody deleted past the log.
        await repository.RemoveRestorePointsAsync(s_appliance, [new PointRemoval(points[2], "retention")],
            (_, refusal) => Assert.Null(refusal), default);
        await _fixtures[0].Store.DeleteAsync((await NamesAsync("points")).Last(), default);
        ApplianceEvidence evidence = await OneAsync(await ConnectAsync("again", _fixtures[0]));
        Assert.Equal([EvidencePointState.Unverified, EvidencePointState.Unverified, EvidencePointState.Unverified,
            EvidencePointState.Missing], evidence.Points.Select(p => p.State));
        Assert.Equal([6d, 18d], evidence.Gaps.Select(g => g.Length.TotalHours));
        Assert.True(evidence.Gaps[^1].IsOpen);
        Assert.Equal(RecoveryVerdict.Missed, evidence.Measurements[(int)RecoveryObjective.Rpo].Verdict);
    }

    [Fact]
    public async Task A_name_in_the_log_without_a_record_behind_it_proves_no_removal_and_ends_no_search()
    {
        Repository repository = await ConnectAsync("nas");
        List<RestorePoint> points = await BackUpAsync(repository, 3);
        IObjectStore store = _fixtures[0].Store;
        await store.DeleteAsync((await NamesAsync("points"))[1], default);
        // More of them than are read together, with the numbers that come next.
        int next = (await NamesAsync("log")).Count + 1;
        for (int i = 0; i < 130; i++)
            await store.PutAsync($"appliances/{s_appliance}/log/{next + i:D12}.point-removed.{2:D12}.{i + 1:x32}",
                new ObjectContent("no record"u8.ToArray()), new PutOptions(), default);
        ApplianceEvidence evidence = await OneAsync(await ConnectAsync("again", _fixtures[0]));
        Assert.Equal([.. points.Select(p => p.RestorePointId)], evidence.Points.Select(p => p.RestorePointId));
        Assert.Equal((EvidencePointState.Missing, null), (evidence.Points[1].State, evidence.Points[1].RemovedUtc));
        Assert.NotEmpty(evidence.Troubles);
    }

    [Fact]
    public async Task An_enrolled_appliance_without_a_point_has_its_rows_and_the_strategy_gives_the_targets()
    {
        Repository repository = await ConnectAsync("nas");
        await repository.SetApplianceSettingsAsync(Settings(BackupStrategy.Replication), default);
        ApplianceEvidence evidence = await OneAsync();
        Assert.Equal((BackupStrategy.Replication, true, true),
            (evidence.Strategy, evidence.IsStrategySet, evidence.IsEnrolled));
        Assert.Equal((Now, "natalia-paris"), (evidence.EnrolledUtc, evidence.ApplianceName));
        Assert.Equal(Enum.GetValues<RecoveryObjective>().Length, evidence.Measurements.Count);
        Assert.Equal(TimeSpan.FromMinutes(5), evidence.Measurements[0].TargetTime);
        Assert.DoesNotContain(evidence.Measurements, m => m.Verdict == RecoveryVerdict.Met);
        // It is kept with the appliance's other settings, and can be taken away again.
        await repository.SetApplianceSettingsAsync(Settings(null), default);
        Assert.Equal((BackupStrategy.Daily, false), ((await OneAsync()).Strategy, (await OneAsync()).IsStrategySet));
    }

    [Fact]
    public async Task The_newest_of_settings_and_points_tells_on_which_kind_of_hypervisor_an_appliance_runs()
    {
        Repository repository = await ConnectAsync("nas");
        await BackUpAsync(repository, 2);
        RestoreTest before = Test(1) with { TestBenchKind = "Folder" };
        RestoreTest since = Test(2) with { TestBenchKind = "VMware" };
        await RecordAsync(before);
        Assert.Equal(("Folder", RecoveryVerdict.Met), await RtoAsync());
        // It was restored to another kind of hypervisor, and goes on there under its old id.
        await repository.BackupAsync(RepositoryFixture.Request(new MemoryDiskSource(RepositoryFixture.Disk(70_000, 9)),
            time: Now) with
        { Appliance = RepositoryFixture.Appliance with { HypervisorKind = "VMware" } }, null, null, default);
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(("VMware", RecoveryVerdict.NotEvidenced), await RtoAsync());
        await RecordAsync(since);
        Assert.Equal(("VMware", RecoveryVerdict.Met), await RtoAsync());
        // And back again: nothing was made there yet, but somebody enrolled it.
        await repository.SetApplianceSettingsAsync(Settings(BackupStrategy.SixHourly), default);
        Assert.Equal(("Folder", RecoveryVerdict.Met), await RtoAsync());

        RestoreTest Test(int number) => Facts.Test(0) with
        {
            RestoreTestId = $"{number:x32}",
            ApplianceId = s_appliance,
            RepositoryId = repository.RepositoryId,
            StartedUtc = Now,
        };

        async Task RecordAsync(RestoreTest test) => await repository.RecordRestoreTestAsync(
            (await repository.GetRestorePointsAsync(new RestorePointFilter(), null, null, default))[0], "Passed",
            RestoreTestJson.Encode(test), default);

        async Task<(string?, RecoveryVerdict)> RtoAsync()
        {
            ApplianceEvidence evidence = await OneAsync();
            return (evidence.HypervisorKind, evidence.Measurements[(int)RecoveryObjective.Rto].Verdict);
        }
    }

    [Theory]
    [InlineData(false, null, true)]
    [InlineData(true, null, false)]
    [InlineData(false, DiskRole.Data, true)]
    [InlineData(false, DiskRole.System, false)]
    public async Task Restore_tests_are_read_whatever_their_age_and_verify_their_point_when_they_read_all_of_it(
        bool isFromRepository, DiskRole? besideSystemImage, bool isVerified)
    {
        Repository repository = await ConnectAsync("nas");
        List<RestorePoint> points = [await repository.BackupAsync(RepositoryFixture.Request(
            new MemoryDiskSource(RepositoryFixture.Disk(70_000, 0)), time: Now) is var request
                && besideSystemImage is DiskRole role
                ? request with { Disks = [request.Disks[0] with { Role = role }] }
                : request, null, null, default)];
        _clock.Advance(TimeSpan.FromHours(6));
        RestoreTest test = Facts.Test(0) with
        {
            ApplianceId = s_appliance,
            RestorePointId = points[0].RestorePointId,
            RepositoryId = repository.RepositoryId,
            StartedUtc = Now,
        };
        if (besideSystemImage is not null) test = test with { SystemImage = "/srv/natalia/system.qcow2" };
        if (isFromRepository) test = test with { IsFromRepository = true, RestoreDuration = null };
        await repository.RecordRestoreTestAsync(points[0], "Passed", RestoreTestJson.Encode(test), default);
        await BackUpAsync(repository, 8, 5 * 24);
        ApplianceEvidence evidence = await OneAsync(sinceDays: 10);
        RestoreTest found = Assert.Single(evidence.RestoreTests);
        Assert.Equal((test.RestoreTestId, "nas", test.RestoreDuration),
            (found.RestoreTestId, found.Repository, found.RestoreDuration));
        EvidencePoint tested = evidence.Points.Single(p => p.RestorePointId == points[0].RestorePointId);
        Assert.Equal(isVerified ? (EvidencePointState.Verified, (DateTime?)test.StartedUtc)
            : (EvidencePointState.Unverified, null), (tested.State, tested.VerifiedUtc));
    }

    [Fact]
    public async Task Records_are_read_from_the_newest_back_and_the_point_before_the_period_gives_its_first_gap()
    {
        Repository repository = await ConnectAsync("nas");
        await BackUpAsync(repository, 12, 24);
        ApplianceEvidence evidence = await OneAsync(sinceDays: 2);
        Assert.Equal([24d, 24d, 24d], evidence.Gaps.Select(g => g.Length.TotalHours));
        Assert.Equal((RecoveryVerdict.Met, 24d), (evidence.Measurements[0].Verdict,
            evidence.Measurements[0].AttainedTime!.Value.TotalHours));
    }

    [Fact]
    public async Task Copies_count_with_their_originals_and_alone_where_they_alone_are_measured()
    {
        Repository nas = await ConnectAsync("nas"), s3 = await ConnectAsync("s3");
        List<RestorePoint> points = await BackUpAsync(nas, 4);
        foreach (RestorePoint point in new[] { points[0], points[3] })
            await new PointCopier(nas, s3, _ => { }).CopyAsync(point, false, null, default);
        Assert.Equal(4, (await OneAsync()).Gaps.Count);
        ApplianceEvidence copies = await OneAsync(_registry.Repositories.Get("s3"));
        Assert.Equal([18d, 6d], copies.Gaps.Select(g => g.Length.TotalHours));
        Assert.Equal("s3", copies.Repository);
    }

    [Fact]
    public async Task A_repository_that_does_not_answer_is_told_once_and_nothing_is_claimed_of_what_may_be_there()
    {
        await ConnectAsync("nas");
        var store = new HookStore(new MemoryStore());
        var fixture = new RepositoryFixture(store) { Clock = _clock };
        _fixtures.Add(fixture);
        Repository away = await fixture.CreateAsync(store);
        Connect("away", away);
        await _registry.Repositories.Get("nas").Repository.SetApplianceSettingsAsync(Settings(BackupStrategy.Daily),
            default);
        store.Before = what => throw new NataliaException(ErrorIds.StoreUnavailable,
            NataliaErrorKind.ResourceUnavailable, "The share does not answer.");
        ApplianceEvidence evidence = await OneAsync();
        Assert.Equal(ErrorIds.StoreUnavailable, Assert.IsType<NataliaException>(Assert.Single(_troubles.Distinct()))
            .ErrorId);
        Assert.Equal(["The share does not answer."], evidence.Troubles);
        Assert.All(evidence.Measurements, m => Assert.Equal(RecoveryVerdict.NotEvidenced, m.Verdict));
    }

    [Fact]
    public async Task A_name_that_nothing_has_is_an_error_and_a_wildcard_is_not()
    {
        Repository repository = await ConnectAsync("nas");
        await BackUpAsync(repository, 1);
        Assert.Empty(await AllAsync("natalia-oslo"));
        Assert.Equal(ErrorIds.ApplianceNotFound, Assert.IsType<NataliaException>(Assert.Single(_troubles)).ErrorId);
        Assert.Empty(await AllAsync("oslo-*"));
        Assert.Single(_troubles);
        Assert.Single(await AllAsync("natalia-*"));
    }

    /// <summary>Years of backups cost what the period has, and a listing of the log and of the manifests.</summary>
    [Fact]
    public async Task A_period_costs_its_own_records_whatever_lies_before_it()
    {
        var store = new HookStore(new MemoryStore());
        var fixture = new RepositoryFixture(store) { Clock = TimeProvider.System };
        _fixtures.Add(fixture);
        const int Appliances = 3, Recorded = 400, Kept = 4;
        using (Repository maker = await fixture.CreateAsync(store))
            await new Fleet { Appliances = Appliances, Recorded = Recorded, Kept = Kept, Tests = 2 }.MakeAsync(maker,
                store, DateTime.UtcNow.AddMinutes(-30));
        Connect("fleet", await fixture.OpenAsync(store));
        int lists = 0, reads = 0;
        store.Before = what =>
        {
            if (what.StartsWith("list appliances/", StringComparison.Ordinal)
                && what.Length > "list appliances/".Length)
                Interlocked.Increment(ref lists);
            if (what.Contains("point-made", StringComparison.Ordinal)) Interlocked.Increment(ref reads);
            return Task.CompletedTask;
        };
        var all = new List<ApplianceEvidence>();
        Told told = new();
        await foreach (ApplianceEvidence one in new EvidenceCollector(_registry, TimeProvider.System,
            (e, _) => _troubles.Add(e), _warnings.Add, told).CollectAsync(new EvidenceWishes
            {
                Repositories = _registry.Repositories.All,
                SinceUtc = DateTime.UtcNow.AddDays(-10),
            }, default))
            all.Add(one);
        Assert.Empty(_troubles);
        Assert.Empty(_warnings);
        Assert.Equal(Appliances, all.Count);
        Assert.Equal(["Reading fleet", "Asking the hypervisors", "Reading points and logs"],
            told.All.Select(p => p.Activity));
        Assert.Equal((0L, (long?)Appliances, "appliances"),
            (told.All[^1].DoneBytes, told.All[^1].TotalBytes, told.All[^1].Unit));
        Assert.Equal(2 * Appliances, lists);
        // 40 of the period; two batches of 64, the first record of all, and what a read in several parts counts.
        Assert.InRange(reads, 40 * Appliances, 3 * 130 * Appliances);
        foreach (ApplianceEvidence one in all)
        {
            Assert.Equal(2, one.RestoreTests.Count);
            Assert.Equal(Kept, one.Points.Count(p => p.IsKept));
            Assert.InRange(one.Points.Count, 40, 46);
            Assert.Equal(RecoveryVerdict.Met, one.Measurements[(int)RecoveryObjective.Rpo].Verdict);
            Assert.Equal(RecoveryVerdict.Met, one.Measurements[(int)RecoveryObjective.Rto].Verdict);
        }
    }

    [Fact]
    public async Task Nothing_is_kept_of_an_appliance_that_was_handed_over()
    {
        var fixture = new RepositoryFixture { Clock = TimeProvider.System };
        _fixtures.Add(fixture);
        using (Repository maker = await fixture.CreateAsync())
            await new Fleet { Appliances = 12, Recorded = 30, Kept = 2, Tests = 0 }.MakeAsync(maker, fixture.Store,
                DateTime.UtcNow.AddMinutes(-30));
        Connect("fleet", await fixture.OpenAsync());
        List<WeakReference> handed = [];
        await foreach (ApplianceEvidence one in new EvidenceCollector(_registry, TimeProvider.System,
            (e, _) => _troubles.Add(e), _warnings.Add).CollectAsync(
                new EvidenceWishes { Repositories = _registry.Repositories.All }, default))
            handed.Add(new WeakReference(one.Points));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.Equal(12, handed.Count);
        // The last group may still be on some stack.
        Assert.InRange(handed.Count(h => h.IsAlive), 0, 4);
    }

    [Fact]
    public async Task A_point_of_a_wrong_clock_does_not_keep_an_ended_appliance_measured()
    {
        Repository repository = await ConnectAsync("nas");
        await RepositoryFixture.BackupAsync(repository, RepositoryFixture.Disk(70_000, 1), time: Now.AddYears(3));
        await BackUpAsync(repository, 1);
        await repository.EndEnrolmentAsync(Settings(null), "closed", default);
        Assert.Empty(await AllAsync("natalia-*"));
        // One that was made since tells that it goes on.
        _clock.Advance(TimeSpan.FromHours(1));
        await RepositoryFixture.BackupAsync(repository, RepositoryFixture.Disk(70_000, 2), time: Now);
        Assert.Single(await AllAsync("natalia-*"));
    }

    private sealed class Told : IProgress<OperationProgress>
    {
        public List<OperationProgress> All { get; } = [];

        public void Report(OperationProgress value) => All.Add(value);
    }

    private async Task<List<string>> NamesAsync(string folder)
    {
        List<string> names = [];
        await foreach (StoredObject one in _fixtures[0].Store.ListAsync($"appliances/{s_appliance}/{folder}/", default))
            names.Add(one.Name);
        return names;
    }

    private static ApplianceSettings Settings(BackupStrategy? strategy) => new()
    {
        ApplianceId = s_appliance,
        Name = RepositoryFixture.Appliance.Name,
        HypervisorKind = "Folder",
        Strategy = strategy,
    };

    private async Task<List<RestorePoint>> BackUpAsync(Repository repository, int count, double hours = 6)
    {
        List<RestorePoint> points = [];
        for (int i = 0; i < count; i++)
        {
            points.Add(await RepositoryFixture.BackupAsync(repository, RepositoryFixture.Disk(70_000, i), time: Now));
            _clock.Advance(TimeSpan.FromHours(hours));
        }
        await repository.SetApplianceSettingsAsync(Settings(BackupStrategy.SixHourly) with
        {
            Strategy = hours > 6 ? BackupStrategy.Daily : BackupStrategy.SixHourly,
        }, default);
        return points;
    }

    private async Task<Repository> ConnectAsync(string name)
    {
        var fixture = new RepositoryFixture { Clock = _clock };
        _fixtures.Add(fixture);
        Repository repository = await fixture.CreateAsync();
        Connect(name, repository);
        return repository;
    }

    private async Task<RepositoryConnection> ConnectAsync(string name, RepositoryFixture fixture) =>
        Connect(name, await fixture.OpenAsync());

    private RepositoryConnection Connect(string name, Repository repository)
    {
        var connection = new RepositoryConnection(new RepositorySession
        {
            Name = name,
            RepositoryId = repository.RepositoryId,
            StoreKind = "Memory",
            Location = "memory",
            AuditKeyFingerprint = repository.AuditKeyFingerprint,
            IsUnlocked = true,
            ConnectedUtc = DateTime.UnixEpoch,
        }, repository, new FolderStoreSettings { Name = name, Path = "memory", Access = default });
        _registry.Repositories.Add(connection);
        return connection;
    }

    private async Task<ApplianceEvidence> OneAsync(RepositoryConnection? only = null, int sinceDays = 92)
    {
        List<ApplianceEvidence> all = [];
        await foreach (ApplianceEvidence one in Collector().CollectAsync(new EvidenceWishes
        {
            Repositories = only is null ? _registry.Repositories.All : [only],
            SinceUtc = Now.AddDays(-sinceDays),
        }, default))
            all.Add(one);
        return Assert.Single(all);
    }

    private async Task<List<ApplianceEvidence>> AllAsync(string name)
    {
        List<ApplianceEvidence> all = [];
        await foreach (ApplianceEvidence one in Collector().CollectAsync(new EvidenceWishes
        {
            Repositories = _registry.Repositories.All,
            Selectors = [new ApplianceSelector(new Operations.Text.NamePattern(name,
                n => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(name, n)))],
        }, default))
            all.Add(one);
        return all;
    }

    private EvidenceCollector Collector() => new(_registry, _clock, (e, _) => _troubles.Add(e), _warnings.Add);
}
