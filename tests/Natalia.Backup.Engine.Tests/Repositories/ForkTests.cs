using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Tests.Reclaim;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>
/// Two runs that published beside each other, because one had lost its lease and did not know: no point of either
/// branch may lose anything, whatever goes; it is told; and a repair makes one line of it.
/// </summary>
public sealed class ForkTests
{
    private static readonly string s_appliance = Layout.Appliance(Appliance.ApplianceId);

    /// <summary>Before the fork, on the first branch, on the second, after both.</summary>
    private sealed record Fork(RepositoryFixture Fixture, Dictionary<string, byte[]> States, List<string> Base,
        List<string> First, List<string> Second, List<string> After)
        : IDisposable
    {
        internal IEnumerable<string> All => [.. Base, .. First, .. Second, .. After];

        public void Dispose() => Fixture.Dispose();
    }

    /// <param name="sameSequence">Both runs began at the same time, so that they took the same number.</param>
    /// <param name="seed">Which blocks change.</param>
    /// <param name="firstPoints">How many points the first branch has: 1 or 2.</param>
    /// <param name="onTheWay">What is done at: after the base; the second branch with its middle; and at the
    /// end.</param>
    private static async Task<Fork> MakeAsync(bool sameSequence, int seed,
        Func<string, Repository, List<string>, Task>? onTheWay = null, int firstPoints = 1)
    {
        var fixture = new RepositoryFixture(new MemoryStore());
        using var other = new RepositoryFixture(new MemoryStore());
        var fork = new Fork(fixture, [], [], [], [], []);
        byte[] disk = new byte[40 * 65536];
        new Random(seed).NextBytes(disk);
        (await fixture.CreateAsync()).Dispose();
        for (int i = 0; i < 2; i++) disk = await AddAsync(fixture, disk, fork.Base, i);
        await DoAsync("base", fixture, fork.Base);
        await StoreCopy.PutBackAsync(other.Store, await StoreCopy.TakeAsync(fixture.Store));
        byte[] first = await AddAsync(fixture, disk, fork.First, 10);
        if (firstPoints > 1)
        {
            // Changes what changed before, so that it alone makes nothing of the base needless.
            first = (byte[])first.Clone();
            first[Enumerable.Range(0, disk.Length).First(i => first[i] != disk[i])] ^= 255;
            await StoreAsync(fixture, first, fork.First);
        }
        if (!sameSequence)
        {
            // The run that takes over sees what the other has stored, and counts on from there.
            foreach (StoredObject delta in await fixture.Store.ListAllAsync(s_appliance + "delta/", default))
                await other.Store.PutAsync(delta.Name,
                    new ObjectContent(await fixture.Store.ReadAllAsync(delta.Name, default)), PutOptions.Metadata,
                    default);
        }
        byte[] second = await AddAsync(other, disk, fork.Second, 20);
        second = await AddAsync(other, second, fork.Second, 21);
        await DoAsync("second", other, fork.Second);
        foreach (KeyValuePair<string, byte[]> item in await StoreCopy.TakeAsync(other.Store))
        {
            if (!item.Key.Contains("/leases/") && await fixture.Store.StatAsync(item.Key, default) is null)
                await fixture.Store.PutAsync(item.Key, new ObjectContent(item.Value), PutOptions.Metadata, default);
        }
        second = await AddAsync(fixture, second, fork.After, 30);
        return fork;

        Task<byte[]> AddAsync(RepositoryFixture where, byte[] before, List<string> ids, int number) =>
            StoreAsync(where, Change(before, 25, seed * 100 + number), ids);

        async Task<byte[]> StoreAsync(RepositoryFixture where, byte[] state, List<string> ids)
        {
            using Repository repository = await where.OpenAsync();
            string id = (await BackupAsync(repository, state)).RestorePointId;
            fork.States[id] = state;
            ids.Add(id);
            return state;
        }

        async Task DoAsync(string what, RepositoryFixture where, List<string> ids)
        {
            if (onTheWay is null) return;
            using Repository repository = await where.OpenAsync();
            await onTheWay(what, repository, ids);
        }
    }

    private static Task<ReclaimResult> ReclaimAsync(Repository repository) =>
        repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);

    private static async Task RemoveAsync(Repository repository, string id) =>
        await repository.RemoveRestorePointAsync(
            (await repository.GetRestorePointsAsync(new RestorePointFilter(), _ => { },
                default)).Single(p => p.RestorePointId == id),
            "a test", default);

    private static Task<RepairReport> RepairAsync(Repository repository, bool whatIf = false) =>
        repository.RepairAsync(new RepairOptions { WhatIf = whatIf }, (_, why) => throw why, null, default);

    private static async Task AssertWholeAsync(Fork fork, IEnumerable<string> ids, string what, bool check = true)
    {
        using Repository repository = await fork.Fixture.OpenAsync();
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        Assert.Equal(ids.OrderBy(i => i, StringComparer.Ordinal),
            points.Select(p => p.RestorePointId).OrderBy(i => i, StringComparer.Ordinal));
        foreach (RestorePoint point in points)
            Assert.True(await StateFinder.IsAsync(repository, point, fork.States[point.RestorePointId]),
                $"{what}: the point {point.Sequence}");
        if (!check) return;
        CheckResult? failed = (await CheckAsync(repository)).Find(r => r.Result == CheckOutcome.Failed);
        Assert.True(failed is null, $"{what}: {failed?.Detail}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whatever_goes_no_branch_loses_anything_and_all_space_comes_back_after_a_repair(bool sameSequence)
    {
        for (int going = 1; going < 1 << 5; going += 3)
        {
            using Fork fork = await MakeAsync(sameSequence, 1 + going);
            string[] older = [.. fork.Base, .. fork.First, .. fork.Second];
            var left = new List<string>(fork.All);
            string what = $"{(sameSequence ? "same" : "other")} sequence, going {going}";
            for (int i = 0; i < older.Length; i++)
            {
                if ((going >> i & 1) == 0) continue;
                using Repository repository = await fork.Fixture.OpenAsync();
                await RemoveAsync(repository, older[i]);
                left.Remove(older[i]);
                await ReclaimAsync(repository);
                await AssertWholeAsync(fork, left, what);
            }
            using Repository last = await fork.Fixture.OpenAsync();
            await RepairAsync(last);
            await AssertWholeAsync(fork, left, what + ", repaired");
            // Once more with all but the newest gone: nothing stays that nobody needs.
            foreach (string id in left.Take(left.Count - 1).ToList())
            {
                await RemoveAsync(last, id);
                left.Remove(id);
                await ReclaimAsync(last);
                await AssertWholeAsync(fork, left, what + ", repaired, removed");
            }
            if (sameSequence) await RepairAsync(last);
            ReclaimResult result = await ReclaimAsync(last);
            Assert.True(result.Reason is null, $"{what}: {result.Reason}");
            await ReclaimTests.AssertSweptAsync(fork.Fixture, what);
            RepairReport again = await RepairAsync(last, whatIf: true);
            Assert.True(again.Findings.Count == 0 && again.UnneededBytes == 0,
                $"{what}: {again.UnneededBytes} bytes; {string.Join(" ", again.Findings)}");
        }
    }

    /// <summary>The run at which the second branch began is not there any more when the fork is first seen.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_fork_is_seen_when_the_run_that_made_it_is_gone(bool sameSequence, bool baseIsKnown)
    {
        using Fork fork = await MakeAsync(sameSequence, 7, async (what, repository, ids) =>
        {
            if (what == "base" && baseIsKnown) await ReclaimAsync(repository);
            if (what != "second") return;
            await RemoveAsync(repository, ids[0]);
            await ReclaimAsync(repository);
        });
        var left = fork.All.Except([fork.Second[0]]).ToList();
        using Repository repository = await fork.Fixture.OpenAsync();
        foreach (string id in fork.Base)
        {
            await RemoveAsync(repository, id);
            left.Remove(id);
            Assert.Contains("lost its lease", (await ReclaimAsync(repository)).Reason);
            await AssertWholeAsync(fork, left, "removed " + id);
        }
        await RepairAsync(repository);
        Assert.Null((await ReclaimAsync(repository)).Reason);
        await AssertWholeAsync(fork, left, "repaired");
        await ReclaimTests.AssertSweptAsync(fork.Fixture, "repaired");
    }

    [Fact]
    public async Task A_fork_is_told_by_check_and_repair_until_it_is_mended()
    {
        using Fork fork = await MakeAsync(sameSequence: false, 3);
        using Repository repository = await fork.Fixture.OpenAsync();
        Assert.Contains("lost its lease", (await ReclaimAsync(repository)).Reason);
        CheckResult told = Assert.Single(await CheckAsync(repository, full: false),
            r => r.Result == CheckOutcome.Warning);
        Assert.Contains("Repair-NataliaRepository", told.Detail);
        RepairFinding planned = Assert.Single((await RepairAsync(repository, whatIf: true)).Findings,
            f => f.Kind == RepairFindingKind.HistoryForked);
        Assert.Contains("would", planned.Detail);
        Assert.Equal(RepairAction.Rebuilt,
            Assert.Single((await RepairAsync(repository)).Findings,
                f => f.Kind == RepairFindingKind.HistoryForked).Action);
        Assert.Null((await ReclaimAsync(repository)).Reason);
        Assert.All(await CheckAsync(repository), r => Assert.Equal(CheckOutcome.Passed, r.Result));
        Assert.Empty((await RepairAsync(repository)).Findings);
    }

    /// <summary>
    /// As long as nothing can stand in for the delta of the first branch, which calls needless what the second one
    /// needs, that delta must not come to lie below the second one.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_repair_makes_no_line_of_a_fork_over_a_point_whose_block_map_is_lost(bool isPutBack)
    {
        using Fork fork = await MakeAsync(sameSequence: false, 3);
        using Repository repository = await fork.Fixture.OpenAsync();
        Dictionary<string, byte[]> lost = (await StoreCopy.TakeAsync(fork.Fixture.Store))
            .Where(o => o.Key.Contains("/meta/") && o.Key.Contains(fork.First[0]))
            .ToDictionary(o => o.Key, o => o.Value, StringComparer.Ordinal);
        foreach (string name in lost.Keys) await fork.Fixture.Store.DeleteAsync(name, default);
        Assert.Equal(RepairAction.Kept,
            Assert.Single((await RepairAsync(repository)).Findings,
                f => f.Kind == RepairFindingKind.HistoryForked).Action);
        if (isPutBack)
        {
            foreach (KeyValuePair<string, byte[]> item in lost)
                await fork.Fixture.Store.PutAsync(item.Key, new ObjectContent(item.Value), PutOptions.Metadata,
                    default);
        }
        else
        {
            await RemoveAsync(repository, fork.First[0]);
        }
        var left = fork.All.Except(isPutBack ? [] : fork.First).ToList();
        foreach (string id in fork.Base)
        {
            await RemoveAsync(repository, id);
            left.Remove(id);
            await ReclaimAsync(repository);
            await AssertWholeAsync(fork, left, "removed " + id, check: isPutBack);
        }
        if (isPutBack)
            Assert.Equal(RepairAction.Rebuilt,
                Assert.Single((await RepairAsync(repository)).Findings,
                    f => f.Kind == RepairFindingKind.HistoryForked).Action);
        await RepairAsync(repository);
        Assert.Null((await ReclaimAsync(repository)).Reason);
        await AssertWholeAsync(fork, left, "repaired");
        await ReclaimTests.AssertSweptAsync(fork.Fixture, "repaired");
    }

    /// <summary>
    /// What a run that left no manifest calls needless counts as well: a checkpoint, or a point that went.
    /// </summary>
    [Fact]
    public async Task What_the_beginning_of_a_branch_called_needless_stays_for_the_other_one()
    {
        using Fork fork = await MakeAsync(sameSequence: false, 3, firstPoints: 2);
        using Repository repository = await fork.Fixture.OpenAsync();
        await RemoveAsync(repository, fork.First[0]);
        Assert.Equal(1, (await ReclaimAsync(repository)).ForgottenPoints);
        await RepairAsync(repository);
        var left = fork.All.Except([fork.First[0]]).ToList();
        foreach (string id in fork.Base)
        {
            await RemoveAsync(repository, id);
            left.Remove(id);
            Assert.Null((await ReclaimAsync(repository)).Reason);
            await AssertWholeAsync(fork, left, "removed " + id);
        }
        await ReclaimTests.AssertSweptAsync(fork.Fixture, "removed");
    }

    [Fact]
    public async Task A_repair_makes_no_line_of_a_fork_over_a_point_whose_manifest_is_damaged()
    {
        using Fork fork = await MakeAsync(sameSequence: false, 3);
        using Repository repository = await fork.Fixture.OpenAsync();
        string manifest = (await fork.Fixture.Store.ListAllAsync(s_appliance + "points/", default)).Select(o => o.Name)
            .Single(n => n.EndsWith(fork.First[0], StringComparison.Ordinal));
        byte[] good = await fork.Fixture.Store.ReadAllAsync(manifest, default);
        await PutAsync(good.AsSpan(0, 50).ToArray());
        await RepairAsync(repository);
        foreach (string id in fork.Base)
        {
            await RemoveAsync(repository, id);
            await ReclaimAsync(repository);
        }
        await PutAsync(good);
        await AssertWholeAsync(fork, fork.All.Except(fork.Base), "put back");
        await RepairAsync(repository);
        Assert.Null((await ReclaimAsync(repository)).Reason);
        await AssertWholeAsync(fork, fork.All.Except(fork.Base), "put back and repaired");
        await ReclaimTests.AssertSweptAsync(fork.Fixture, "put back and repaired");

        async Task PutAsync(byte[] bytes)
        {
            await fork.Fixture.Store.DeleteAsync(manifest, default);
            await fork.Fixture.Store.PutAsync(manifest, new ObjectContent(bytes), PutOptions.Metadata, default);
        }
    }

    /// <summary>The manifest of the one says nothing of the other.</summary>
    [Fact]
    public async Task Of_two_points_with_one_sequence_a_manifest_that_is_missing_is_told_and_nothing_of_it_goes()
    {
        using Fork fork = await MakeAsync(sameSequence: true, 3);
        using Repository repository = await fork.Fixture.OpenAsync();
        string manifest = (await fork.Fixture.Store.ListAllAsync(s_appliance + "points/", default)).Select(o => o.Name)
            .Single(n => n.EndsWith(fork.First[0], StringComparison.Ordinal));
        byte[] bytes = await fork.Fixture.Store.ReadAllAsync(manifest, default);
        await fork.Fixture.Store.DeleteAsync(manifest, default);
        var missing = new List<MissingPoints>();
        await repository.GetRestorePointsAsync(new RestorePointFilter(), null, missing.Add, default);
        Assert.Equal(1, Assert.Single(missing).Count);
        Assert.Contains("missing", Assert.Single(await CheckAsync(repository, full: false),
            r => r.Result == CheckOutcome.Failed).Detail);
        Assert.Contains("missing", (await ReclaimAsync(repository)).Reason);
        RepairReport report = await RepairAsync(repository);
        Assert.Equal(fork.First[0], Assert.Single(report.Findings,
            f => f.Kind == RepairFindingKind.ManifestMissing).RestorePointId);
        Assert.Equal((1, 0L), (report.LostPoints, report.FreedBytes));
        await fork.Fixture.Store.PutAsync(manifest, new ObjectContent(bytes), PutOptions.Metadata, default);
        await AssertWholeAsync(fork, fork.All, "put back");

        // Removed and forgotten is not missing.
        await RemoveAsync(repository, fork.First[0]);
        await ReclaimAsync(repository);
        Assert.Null(await fork.Fixture.Store.StatAsync(manifest, default));
        missing.Clear();
        await repository.GetRestorePointsAsync(new RestorePointFilter(), null, missing.Add, default);
        Assert.Empty(missing);
        Assert.Null((await ReclaimAsync(repository)).Reason);
        Assert.Equal(0, (await RepairAsync(repository)).LostPoints);
        await AssertWholeAsync(fork, fork.All.Except(fork.First), "removed");
    }

    [Fact]
    public async Task Of_two_points_with_one_sequence_the_whole_one_does_not_heal_the_damaged_one()
    {
        using Fork fork = await MakeAsync(sameSequence: true, 3);
        using Repository repository = await fork.Fixture.OpenAsync();
        foreach (StoredObject pack in await fork.Fixture.Store.ListAllAsync(s_appliance + "data/", default))
            if (pack.Name.Contains(fork.First[0])) await fork.Fixture.Store.DeleteAsync(pack.Name, default);
        Assert.Equal(1, (await RepairAsync(repository)).LostPoints);
        RepairReport full = await repository.RepairAsync(new RepairOptions { Full = true }, (_, why) => throw why, null,
            default);
        Assert.Equal(1, full.LostPoints);
        Assert.DoesNotContain(full.Findings, f => f.Kind == RepairFindingKind.PointHealed);
    }

    /// <summary>Ids are random, and say which of the two comes first: tried until it was both ways.</summary>
    [Fact]
    public async Task Two_runs_of_one_number_are_told_until_one_of_them_is_gone()
    {
        var ways = new HashSet<bool>();
        for (int i = 0; i < 100 && ways.Count < 2; i++) ways.Add(await TellTwinsAsync());
        Assert.Equal(2, ways.Count);
    }

    private static async Task<bool> TellTwinsAsync()
    {
        using Fork fork = await MakeAsync(sameSequence: true, 3);
        using Repository repository = await fork.Fixture.OpenAsync();
        Assert.Contains("lost its lease", (await ReclaimAsync(repository)).Reason);
        Assert.Contains("Remove-NataliaRestorePoint",
            Assert.Single(await CheckAsync(repository, full: false), r => r.Result == CheckOutcome.Warning).Detail);
        RepairFinding kept = Assert.Single((await RepairAsync(repository)).Findings,
            f => f.Kind == RepairFindingKind.HistoryForked);
        Assert.Equal(RepairAction.Kept, kept.Action);
        Assert.Contains("Remove-NataliaRestorePoint", kept.Detail);
        await AssertWholeAsync(fork, fork.All, "repaired");
        await RemoveAsync(repository, fork.First[0]);
        Assert.Null((await ReclaimAsync(repository)).Reason);
        await AssertWholeAsync(fork, fork.All.Except(fork.First), "the first branch removed");
        return string.CompareOrdinal(fork.First[0], fork.Second[0]) < 0;
    }
}
