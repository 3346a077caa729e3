using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Tests.Reclaim;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repair;

public sealed class RepairTests
{
    private static readonly RepairOptions s_usual = new(), s_full = new() { Full = true },
        s_giveUp = new() { Full = true, RemoveLost = true };

    [Fact]
    public async Task A_whole_repository_is_found_whole_and_left_alone()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = Disk(9 << 20, 1);
        for (int i = 0; i < 4; i++) await BackupAsync(repository, disk = Change(disk, 10, i));
        string[] before = await NamesAsync(fixture.Store);
        RepairReport looked = await RepairAsync(repository, s_full with { WhatIf = true });
        Assert.Equal((RepairOutcome.Whole, 4, 0), (looked.Outcome, looked.WholePoints, looked.LostPoints));
        Assert.Empty(looked.Findings);
        Assert.Equal(before, await NamesAsync(fixture.Store));
        RepairReport done = await RepairAsync(repository, s_full);
        Assert.Equal(RepairOutcome.Whole, done.Outcome);
        Assert.Equal(0, done.FreedBytes);
        Assert.All((await NamesAsync(fixture.Store)).Except(before),
            n => Assert.True(n.Contains("/log/") || n.Contains("/catalog/") || n.Contains("/leases/"), n));
        AuditRecord record = (await repository.GetAuditRecordsAsync(new AuditRecordFilter(), _ => { },
            default)).First(r => r.Event == "repaired");
        Assert.Contains("nothing wrong", record.Reason);
        await AssertCleanAsync(repository, "a whole repository");
    }

    /// <summary>
    /// Whatever object is deleted, cut off or changed: what is said to be lost is what cannot be restored, everything
    /// else restores, and the next backups are whole again.
    /// </summary>
    [Theory]
    [InlineData("p", "deleted")]
    [InlineData("p", "cut")]
    [InlineData("p", "changed")]
    [InlineData(null, "changed")]
    public async Task Damage_to_any_object_is_told_as_it_is(string? password, string how)
    {
        using var fixture = new RepositoryFixture { Password = password };
        byte[] disk = Disk(9 << 20, 1);
        var states = new List<byte[]>();
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 4; i++)
            {
                states.Add(disk = Change(disk, 12, i));
                await BackupTrackedAsync(repository, states);
            }
        }
        Dictionary<string, byte[]> good = await CopyAsync(fixture.Store);
        var random = new Random(7);
        foreach (string name in good.Keys
            .Where(n => n.StartsWith("appliances/", StringComparison.Ordinal) && !n.Contains("/leases/")
                && !n.Contains("/log/"))
            .ToArray())
        {
            await ResetAsync(fixture.Store, good);
            await fixture.Store.DeleteAsync(name, default);
            if (how == "cut")
                await fixture.Store.PutAsync(name,
                    new ObjectContent(good[name].AsSpan(0, random.Next(good[name].Length)).ToArray()),
                    PutOptions.Metadata, default);
            if (how == "changed")
            {
                byte[] bad = (byte[])good[name].Clone();
                bad[random.Next(bad.Length)] ^= 16;
                await fixture.Store.PutAsync(name, new ObjectContent(bad), PutOptions.Metadata, default);
            }
            using Repository repository = await fixture.OpenAsync();
            string what = $"{name} {how}";
            (HashSet<string> whole, HashSet<string> lost) = await TryAllAsync(fixture);
            RepairReport planned = await RepairAsync(repository, s_full with { WhatIf = true });
            RepairReport report = await RepairAsync(repository, s_full);
            Assert.True(report.Outcome is RepairOutcome.Repaired or RepairOutcome.PointsLost, $"{what}: {report}");
            Assert.Equal(planned.Findings.Select(f => f.Kind).Order(), report.Findings.Select(f => f.Kind).Order());
            bool manifest = name.Contains("/points/");
            Assert.True(lost.Count + (manifest ? 1 : 0) == report.LostPoints && whole.Count == report.WholePoints,
                $"{what}: {report}, but {whole.Count} restore and {lost.Count} do not");
            if (!manifest)
                Assert.Equal(lost.Order(),
                    report.Findings.Where(f => f.Kind == RepairFindingKind.PointLost).Select(f => f.RestorePointId!)
                        .Distinct().Order());
            foreach (RestorePoint point in await repository.GetRestorePointsAsync(new RestorePointFilter(), _ => { },
                default))
                Assert.True(
                    point.Verification == (lost.Contains(point.RestorePointId)
                        ? VerificationState.Failed
                        : VerificationState.Unknown),
                    what);
            Assert.Equal(whole.Order(), (await TryAllAsync(fixture)).Whole.Order());

            // An incremental that took over what is lost would be lost, too.
            var more = new List<byte[]>(states) { Change(states[^1], 3, 99) };
            RestorePoint next = await BackupTrackedAsync(repository, more);
            Assert.True(await StateFinder.IsAsync(await fixture.OpenAsync(), next, more[^1]), what);

            RepairReport second = await RepairAsync(repository, s_giveUp);
            (HashSet<string> wholeThen, HashSet<string> lostThen) = await TryAllAsync(fixture);
            Assert.True(wholeThen.IsSupersetOf(whole), $"{what}: {second}");
            if (lostThen.Count > 0)
            {
                // Nothing is given up whose disks are whole.
                await AssertDisksAsync(fixture, lostThen, what);
                continue;
            }
            await AssertCleanAsync(repository, what);
            RepairReport third = await RepairAsync(repository, s_giveUp);
            Assert.True(third.Outcome == RepairOutcome.Whole, $"{what}: {string.Join("; ", third.Findings)}");
        }
    }

    /// <summary>
    /// A backup beside a parent that could not be read declares nothing dead: what the old points alone need is given
    /// back all the same, after a repair.
    /// </summary>
    [Fact]
    public async Task Space_that_a_run_without_parent_leaked_is_found_and_given_back_when_the_old_points_go()
    {
        using var fixture = new RepositoryFixture();
        byte[] disk = Disk(9 << 20, 1);
        RestorePoint[] old = new RestorePoint[3];
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 3; i++) old[i] = await BackupAsync(repository, disk = Change(disk, 20, i));
            string meta = (await NamesAsync(fixture.Store)).Last(n => n.Contains("/meta/"));
            byte[] bytes = await fixture.Store.ReadAllAsync(meta, default);
            await fixture.Store.DeleteAsync(meta, default);
            Assert.Contains("stored anew", (await BackupAsync(repository, disk)).Reason);
            await fixture.Store.PutAsync(meta, new ObjectContent(bytes), PutOptions.Metadata, default);
        }
        using Repository again = await fixture.OpenAsync();
        await BackupAsync(again, disk = Change(disk, 5, 9));
        RepairReport report = await RepairAsync(again, s_usual);
        Assert.Contains(report.Findings,
            f => f.Kind == RepairFindingKind.DeadListIncomplete && f.Action == RepairAction.Rebuilt);
        Assert.Equal(5, report.WholePoints);
        await ReclaimTests.AssertSweptAsync(fixture, "after the repair");
        foreach (RestorePoint point in old) await again.RemoveRestorePointAsync(point, "a test", default);
        await again.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        Assert.Equal(2, (await TryAllAsync(fixture)).Whole.Count);
        await ReclaimTests.AssertSweptAsync(fixture, "after the old points went");
        Assert.Empty((await RepairAsync(again, s_full)).Findings);
        await AssertCleanAsync(again, "in the end");
    }

    [Fact]
    public async Task Leaked_space_is_found_as_a_mark_and_sweep_finds_it_and_given_back()
    {
        using var fixture = new RepositoryFixture();
        byte[] disk = Disk(9 << 20, 1);
        using Repository repository = await fixture.CreateAsync();
        var old = new List<RestorePoint>();
        for (int i = 0; i < 3; i++) old.Add(await BackupAsync(repository, disk = Change(disk, 20, i)));
        // The deltas in the middle are lost, the points go: nobody knows any more what is free.
        foreach (string delta in (await NamesAsync(fixture.Store)).Where(n => n.Contains("/delta/")).Skip(1))
            await fixture.Store.DeleteAsync(delta, default);
        await BackupAsync(repository, disk = Disk(9 << 20, 50));
        foreach (RestorePoint point in old) await repository.RemoveRestorePointAsync(point, "a test", default);
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        await Assert.ThrowsAnyAsync<Xunit.Sdk.XunitException>(() => ReclaimTests.AssertSweptAsync(fixture, "before"));
        long before = await BytesAsync(fixture.Store);
        RepairReport planned = await RepairAsync(repository, s_usual with { WhatIf = true });
        RepairReport report = await RepairAsync(repository, s_usual);
        Assert.True(report.UnneededBytes > 500_000 && planned.UnneededBytes == report.UnneededBytes,
            $"{planned.UnneededBytes} {report.UnneededBytes}");
        Assert.Equal(report.Findings.Where(f => f.Kind == RepairFindingKind.UnneededSpace).Sum(f => f.StoredBytes),
            before - await BytesAsync(fixture.Store), 20_000d);
        await ReclaimTests.AssertSweptAsync(fixture, "after");
        Assert.Single((await TryAllAsync(fixture)).Whole);
        await AssertCleanAsync(repository, "after");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_point_whose_manifest_is_missing_is_kept_until_it_is_given_up(bool giveUp)
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        for (int i = 0; i < 3; i++) await BackupAsync(repository, Disk(5 << 20, i));
        string manifest = (await NamesAsync(fixture.Store)).Where(n => n.Contains("/points/")).ElementAt(1);
        byte[] bytes = await fixture.Store.ReadAllAsync(manifest, default);
        await fixture.Store.DeleteAsync(manifest, default);
        RepairReport report = await RepairAsync(repository, giveUp ? s_giveUp : s_full);
        Assert.Equal((RepairOutcome.PointsLost, 2, 1), (report.Outcome, report.WholePoints, report.LostPoints));
        RepairFinding finding = Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.ManifestMissing);
        Assert.Equal(giveUp ? RepairAction.Removed : RepairAction.Kept, finding.Action);
        if (giveUp)
        {
            Assert.True(report.FreedBytes > 1_000_000);
            await ReclaimTests.AssertSweptAsync(fixture, "given up");
            await AssertCleanAsync(repository, "given up");
            return;
        }
        Assert.Equal(0, report.FreedBytes);
        await fixture.Store.PutAsync(manifest, new ObjectContent(bytes), PutOptions.Metadata, default);
        Assert.Equal(3, (await TryAllAsync(fixture)).Whole.Count);
    }

    /// <summary>The log knows the point: a list that simply has one row fewer would lie.</summary>
    [Fact]
    public async Task A_list_tells_of_points_whose_manifests_are_missing()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        var points = new List<RestorePoint>();
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 3; i++) points.Add(await BackupAsync(repository, Disk(1 << 20, i)));
            await repository.RemoveRestorePointAsync(points[0], "a test", default);
        }
        string[] manifests = [.. (await NamesAsync(fixture.Store)).Where(n => n.Contains("/points/"))];
        Assert.Equal((2, ""), await ListAsync());
        // Removed and forgotten: nothing is missing.
        await fixture.Store.DeleteAsync(manifests[0], default);
        Assert.Equal((2, ""), await ListAsync());
        await fixture.Store.DeleteAsync(manifests[1], default);
        Assert.Equal((1, "natalia-paris: 1"), await ListAsync());
        using (Repository repository = await fixture.OpenAsync())
        {
            RepairFinding finding = Assert.Single((await RepairAsync(repository, s_full)).Findings,
                f => f.Kind == RepairFindingKind.ManifestMissing);
            Assert.Equal(points[1].TimeUtc, finding.PointTimeUtc);
        }
        Assert.Equal((1, "natalia-paris: 1"), await ListAsync());
        await fixture.Store.DeleteAsync(manifests[2], default);
        Assert.Equal((0, "natalia-paris: 2"), await ListAsync());

        async Task<(int Listed, string Missing)> ListAsync()
        {
            using Repository repository = await fixture.OpenAsync();
            var told = new List<string>();
            IReadOnlyList<RestorePoint> listed = await repository.GetRestorePointsAsync(new RestorePointFilter(), null,
                m => told.Add($"{m.ApplianceName}: {m.Count}"), default);
            return (listed.Count, string.Join(", ", told));
        }
    }

    /// <summary>What is looked for when nothing is missing comes with what is listed anyway.</summary>
    [Fact]
    public async Task A_list_that_nothing_is_missing_of_costs_no_request_more()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 3; i++) await BackupAsync(repository, Disk(1 << 20, i));
        }
        var costs = new List<int>();
        foreach (bool asks in new[] { false, true })
        {
            var counting = new FaultStore(fixture.Store);
            using Repository repository = await fixture.OpenAsync(counting);
            int before = counting.Operations;
            await repository.GetRestorePointsAsync(new RestorePointFilter(), null, asks ? _ => { } : null, default);
            costs.Add(counting.Operations - before);
        }
        Assert.Equal(costs[0], costs[1]);
    }

    [Fact]
    public async Task A_manifest_that_is_put_back_after_its_point_was_given_up_is_no_loss()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        for (int i = 0; i < 3; i++) await BackupAsync(repository, Disk(5 << 20, i));
        string manifest = (await NamesAsync(fixture.Store)).Where(n => n.Contains("/points/")).ElementAt(1);
        byte[] bytes = await fixture.Store.ReadAllAsync(manifest, default);
        await fixture.Store.DeleteAsync(manifest, default);
        RepairFinding removed = Assert.Single((await RepairAsync(repository, s_giveUp)).Findings,
            f => f.Kind == RepairFindingKind.ManifestMissing);
        Assert.DoesNotContain("the point is there again", removed.Detail);
        await fixture.Store.PutAsync(manifest, new ObjectContent(bytes), PutOptions.Metadata, default);

        using Repository again = await fixture.OpenAsync();
        RepairReport report = await RepairAsync(again, s_full);
        Assert.Equal((RepairOutcome.Repaired, 2, 0), (report.Outcome, report.WholePoints, report.LostPoints));
        Assert.Equal(manifest, Assert.Single(report.Findings).Object);
        Assert.DoesNotContain(await again.GetAuditRecordsAsync(new AuditRecordFilter(), _ => { }, default),
            r => r.Event == "damage-found");
        Assert.Equal(RepairOutcome.Whole, (await RepairAsync(again, s_full)).Outcome);
        await AssertCleanAsync(again, "put back in vain");
    }

    /// <summary>One point, one finding, whatever of it is lost; and nobody reads of what was only planned.</summary>
    [Fact]
    public async Task A_point_that_lost_blocks_and_configuration_is_one_finding()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(1 << 20, 1));
        foreach (string name in (await NamesAsync(fixture.Store))
            .Where(n => n.Contains("/meta/") || n.Contains("/data/") || n.Contains("/delta/")))
            await fixture.Store.DeleteAsync(name, default);
        using Repository again = await fixture.OpenAsync();
        RepairReport planned = await RepairAsync(again, s_full with { WhatIf = true });
        RepairFinding finding = Assert.Single(planned.Findings, f => f.Kind == RepairFindingKind.PointLost);
        Assert.Equal("scsi1", finding.DiskId);
        Assert.Contains("VM configuration", finding.Detail);
        Assert.All(planned.Findings,
            f => Assert.DoesNotMatch("was made again|is kept, and marked|was removed|given up\\.", f.Detail!));
    }

    [Theory]
    [InlineData("p")]
    [InlineData(null)]
    public async Task Without_any_key_slot_a_copy_of_the_settings_is_not_asked_for(string? password)
    {
        using var fixture = new RepositoryFixture { Password = password };
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, Disk(100_000, 1));
        foreach (string name in (await NamesAsync(fixture.Store))
            .Where(n => n.StartsWith("keys/", StringComparison.Ordinal) || n == "natalia.json"))
            await fixture.Store.DeleteAsync(name, default);
        NataliaException impossible =
            await Assert.ThrowsAsync<NataliaException>(
                () => Repository.RebuildSettingsAsync(fixture.Store, Secret(password), TimeProvider.System, default));
        Assert.Equal(ErrorIds.RepositoryDamaged, impossible.ErrorId);
        Assert.Contains("'keys/'", impossible.RecommendedAction);
    }

    [Fact]
    public async Task A_settings_file_that_is_cut_off_is_told_in_words_of_the_product()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, Disk(100_000, 1));
        byte[] good = await fixture.Store.ReadAllAsync("natalia.json", default);
        await fixture.Store.DeleteAsync("natalia.json", default);
        await fixture.Store.PutAsync("natalia.json", new ObjectContent(good.AsSpan(0, 100).ToArray()),
            PutOptions.Metadata, default);
        NataliaException damage = await Assert.ThrowsAsync<NataliaException>(() => fixture.OpenAsync());
        Assert.Equal(ErrorIds.RepositoryDamaged, damage.ErrorId);
        Assert.DoesNotContain("LineNumber", damage.Message);
    }

    [Fact]
    public async Task A_lost_manifest_is_made_again_from_the_catalog()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = Disk(100_000, 1);
        for (int i = 0; i < PointCatalog.ChunkSize + 4; i++)
        {
            disk[i] ^= 1;
            await BackupAsync(repository, disk);
        }
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        string[] manifests = [.. (await NamesAsync(fixture.Store)).Where(n => n.Contains("/points/"))];
        await fixture.Store.DeleteAsync(manifests[10], default);
        await fixture.Store.DeleteAsync(manifests[20], default);
        await fixture.Store.PutAsync(manifests[20], new ObjectContent(new byte[] { 1, 2, 3 }), PutOptions.Metadata,
            default);
        using Repository again = await fixture.OpenAsync();
        RepairReport report = await RepairAsync(again, s_giveUp);
        Assert.Equal((RepairOutcome.Repaired, manifests.Length, 0),
            (report.Outcome, report.WholePoints, report.LostPoints));
        Assert.All(report.Findings, f => Assert.Equal(RepairAction.Rebuilt, f.Action));
        Assert.Equal(manifests.Length, (await TryAllAsync(fixture)).Whole.Count);
        await AssertCleanAsync(again, "made again");
    }

    [Fact]
    public async Task What_was_put_back_is_found_whole_again()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(5 << 20, 1));
        await BackupAsync(repository, Disk(5 << 20, 2));
        string pack = (await NamesAsync(fixture.Store)).First(n => n.Contains("/data/"));
        byte[] bytes = await fixture.Store.ReadAllAsync(pack, default);
        await fixture.Store.DeleteAsync(pack, default);
        RepairReport report = await RepairAsync(repository, s_usual);
        Assert.Equal(1, report.LostPoints);
        RepairFinding lost = Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.PointLost);
        Assert.Equal("scsi1", lost.DiskId);
        Assert.True(lost.BytesLost > 1_000_000 && lost.LostExtents.Sum(e => e.Length) >= lost.BytesLost - 65_536,
            $"{lost.BytesLost} {lost.LostExtents.Sum(e => e.Length)}");
        await fixture.Store.PutAsync(pack, new ObjectContent(bytes), PutOptions.Metadata, default);
        RepairReport healed = await RepairAsync(repository, s_full);
        Assert.Equal((RepairOutcome.Repaired, 2, 0), (healed.Outcome, healed.WholePoints, healed.LostPoints));
        Assert.Contains(healed.Findings, f => f.Kind == RepairFindingKind.PointHealed);
        Assert.All(await PointsAsync(repository), p => Assert.Equal(VerificationState.Unknown, p.Verification));
        Assert.Equal(RepairOutcome.Whole, (await RepairAsync(repository, s_full)).Outcome);
    }

    [Theory]
    [InlineData("p", false)]
    [InlineData(null, true)]
    public async Task A_lost_settings_file_is_made_again_bit_for_bit(string? password, bool deleted)
    {
        using var fixture = new RepositoryFixture { Password = password };
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, Disk(1 << 20, 1));
        byte[] good = await fixture.Store.ReadAllAsync("natalia.json", default);
        await fixture.Store.DeleteAsync("natalia.json", default);
        if (!deleted)
            await fixture.Store.PutAsync("natalia.json", new ObjectContent(good.AsSpan(0, 60).ToArray()),
                PutOptions.Metadata, default);
        if (password is not null)
            Assert.Equal(ErrorIds.WrongPassword,
                (await Assert.ThrowsAsync<NataliaException>(
                    () => Repository.RebuildSettingsAsync(fixture.Store, Secret("other"), TimeProvider.System,
                        default))).ErrorId);
        SettingsState how = deleted ? SettingsState.Missing : SettingsState.Damaged;
        Assert.Equal(how, await Repository.InspectSettingsAsync(fixture.Store, default));
        Assert.Equal(how,
            await Repository.RebuildSettingsAsync(fixture.Store, Secret(password), TimeProvider.System, default));
        Assert.Equal(good, await fixture.Store.ReadAllAsync("natalia.json", default));
        Assert.Equal(SettingsState.Whole,
            await Repository.RebuildSettingsAsync(fixture.Store, Secret(password), TimeProvider.System, default));
        using Repository again = await fixture.OpenAsync();
        Assert.Single((await TryAllAsync(fixture)).Whole);
        await AssertCleanAsync(again, "made again");
    }

    /// <summary>
    /// Each pack, map, list and record is asked for a few times, whatever it holds: a bucket must be repairable.
    /// </summary>
    [Fact]
    public async Task Requests_follow_the_number_of_runs_and_not_of_blocks()
    {
        using var fixture = new RepositoryFixture();
        const int Runs = 24;
        byte[] disk = new byte[40 << 20];
        new Random(1).NextBytes(disk);
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < Runs; i++) await BackupAsync(repository, disk = Change(disk, 60, i));
        }
        var counting = new FaultStore(fixture.Store);
        using Repository again = await fixture.OpenAsync(counting);
        Assert.Equal(RepairOutcome.Whole, (await RepairAsync(again, s_usual with { WhatIf = true })).Outcome);
        Assert.InRange(counting.Operations, 1, Runs * 12 + 60);
        Assert.DoesNotContain(counting.Log,
            l => l.StartsWith("read ", StringComparison.Ordinal) && l.Contains("/data/"));
    }

    /// <summary>
    /// Of any damage to a map or to blocks, an export that allows loss has everything but what it says is lost, and
    /// that is zeros.
    /// </summary>
    [Theory]
    [InlineData(null)]
    [InlineData("p")]
    public async Task What_is_left_of_a_damaged_point_can_be_exported(string? password)
    {
        using var fixture = new RepositoryFixture { Password = password };
        byte[] disk = new byte[20 << 20];
        new Random(3).NextBytes(disk);
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, disk);
        Dictionary<string, byte[]> good = await CopyAsync(fixture.Store);
        var random = new Random(5);
        for (int round = 0; round < 24; round++)
        {
            await ResetAsync(fixture.Store, good);
            string name = good.Keys.Where(n => n.Contains(round % 2 == 0 ? "/data/" : "/meta/"))
                .OrderBy(_ => random.Next()).First();
            byte[] bad = (byte[])good[name].Clone();
            await fixture.Store.DeleteAsync(name, default);
            if (round % 3 == 0) bad = bad.AsSpan(0, random.Next(bad.Length / 2, bad.Length)).ToArray();
            else bad[random.Next(bad.Length / 2, bad.Length - Envelope.TrailerLength)] ^= 1;
            await fixture.Store.PutAsync(name, new ObjectContent(bad), PutOptions.Metadata, default);
            using Repository repository = await fixture.OpenAsync();
            RestorePoint point = (await PointsAsync(repository))[0];
            using var target = new MemoryDiskTarget();
            SalvagedDisk salvaged;
            try
            {
                salvaged = await (await repository.OpenPointAsync(point, default)).SalvageDiskAsync(null, target, null,
                    default);
            }
            catch (NataliaException nothing) when (nothing.ErrorId == ErrorIds.BlockDamaged && round % 2 == 1)
            {
                // The root: then nothing at all is left, and no image is made.
                Assert.False(target.IsComplete);
                continue;
            }
            Assert.True(target.IsComplete && salvaged.BytesLost > 0 && salvaged.BytesLost < disk.Length,
                $"round {round}: {salvaged.BytesLost}");
            byte[] expected = (byte[])disk.Clone();
            foreach (Extent extent in salvaged.LostExtents)
                expected.AsSpan((int)extent.Offset, (int)extent.Length).Clear();
            Assert.True(expected.AsSpan().SequenceEqual(target.Bytes), $"round {round}");
            Assert.Equal(salvaged.BytesLost, salvaged.LostExtents.Sum(e => e.Length));
            RepairReport report = await RepairAsync(repository, s_full with { WhatIf = true });
            Assert.Equal(salvaged.LostExtents,
                report.Findings.Where(f => f.Kind == RepairFindingKind.PointLost && f.DiskId is not null)
                    .SelectMany(f => f.LostExtents));
        }
    }

    [Fact]
    public async Task Protected_and_newest_points_are_not_given_up()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = Disk(5 << 20, 1);
        var points = new List<RestorePoint>();
        for (int i = 0; i < 3; i++) points.Add(await BackupAsync(repository, disk = Change(disk, 2, i)));
        await repository.SetProtectionAsync(points[0], true, "a test", default);
        await fixture.Store.DeleteAsync((await NamesAsync(fixture.Store)).First(n => n.Contains("/data/")), default);
        RepairReport report = await RepairAsync(repository, s_giveUp);
        Assert.Equal((0, 3, 1), (report.WholePoints, report.LostPoints, report.RemovedPoints));
        Assert.Equal(new[] { points[0].RestorePointId, points[2].RestorePointId }.Order(),
            (await PointsAsync(repository)).Select(p => p.RestorePointId).Order());
        RestorePoint next = await BackupAsync(repository, disk);
        Assert.Equal(disk, await RestoreAsync(repository, next));
        Assert.Equal(1, (await RepairAsync(repository, s_giveUp)).RemovedPoints);
    }

    [Fact]
    public async Task Locked_objects_are_told_with_their_date_and_go_later()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock, objectLock: true);
        using var fixture = new RepositoryFixture(store) { Clock = clock, HasLockDirectory = false };
        using Repository repository = await Repository.CreateAsync(new FaultStore(store), null, fixture.Options with
        {
            Immutability = new Natalia.Backup.Engine.Core.ImmutabilityPolicy(3, ObjectLockMode.Compliance),
        }, default);
        for (int i = 0; i < 2; i++) await BackupAsync(repository, Disk(3 << 20, i));
        // A run that died before its manifest.
        await Assert.ThrowsAsync<SimulatedCrashException>(
            () => repository.BackupAsync(Request(new MemoryDiskSource(Disk(3 << 20, 8))),
                _ => throw new SimulatedCrashException("publish"), null, default));
        Assert.All((await RepairAsync(repository, s_usual)).Findings, f => Assert.Equal(RepairAction.Kept, f.Action));
        RepairReport report = await RepairAsync(repository, s_giveUp);
        RepairFinding orphan = Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.OrphanedRun);
        Assert.Equal(RepairAction.Locked, orphan.Action);
        Assert.True(orphan.LockedUntilUtc > clock.GetUtcNow().UtcDateTime.AddDays(2), $"{orphan.LockedUntilUtc}");
        clock.Advance(TimeSpan.FromDays(10));
        ReclaimResult later = await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        Assert.True(later.DeletedPacks >= 1, $"{later}");
        Assert.Empty((await RepairAsync(repository, s_usual)).Findings);
    }

    /// <summary>As long as a lock lasts, its point stays: a damaged manifest may be put back, and what it needs be
    /// needed.</summary>
    [Fact]
    public async Task A_locked_point_whose_manifest_is_damaged_is_not_given_up()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock, objectLock: true);
        using var fixture = new RepositoryFixture(store) { Clock = clock, HasLockDirectory = false };
        using Repository repository = await CreateLockedAsync(fixture);
        for (int i = 0; i < 3; i++) await BackupAsync(repository, Disk(3 << 20, i));
        string manifest = (await NamesAsync(store)).Where(n => n.Contains("/points/")).ElementAt(1);
        store.Tamper(manifest, bytes => bytes.AsSpan(0, bytes.Length / 2).ToArray());
        RepairReport report = await RepairAsync(repository, s_giveUp);
        RepairFinding finding = Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.ManifestDamaged);
        Assert.Equal((RepairAction.Locked, 1, 0, 0L),
            (finding.Action, report.LostPoints, report.RemovedPoints, report.FreedBytes));
        Assert.True(finding.LockedUntilUtc > clock.GetUtcNow().UtcDateTime.AddDays(2), $"{finding.LockedUntilUtc}");
        Assert.Contains("so that it is not given up", finding.Detail);
        // What only it needs is not noted as given back either.
        Assert.All(report.Findings.Where(f => f.Kind == RepairFindingKind.UnneededSpace),
            f => Assert.Equal(RepairAction.Kept, f.Action));
        clock.Advance(TimeSpan.FromDays(10));
        Assert.Equal(1, (await RepairAsync(repository, s_giveUp)).RemovedPoints);
    }

    [Fact]
    public async Task A_locked_manifest_that_the_catalog_has_a_copy_of_waits_for_the_end_of_its_lock()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock, objectLock: true);
        using var fixture = new RepositoryFixture(store) { Clock = clock, HasLockDirectory = false };
        using Repository repository = await CreateLockedAsync(fixture);
        byte[] disk = Disk(100_000, 1);
        for (int i = 0; i < PointCatalog.ChunkSize + 4; i++)
        {
            disk[i] ^= 1;
            await BackupAsync(repository, disk);
        }
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        string[] manifests = [.. (await NamesAsync(store)).Where(n => n.Contains("/points/"))];
        store.Tamper(manifests[20], bytes => bytes.AsSpan(0, bytes.Length / 2).ToArray());
        RepairReport report = await RepairAsync(repository, s_giveUp);
        RepairFinding finding = Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.ManifestDamaged);
        Assert.Equal((RepairAction.Locked, 0, 1, manifests.Length - 1),
            (finding.Action, report.RemovedPoints, report.LostPoints, report.WholePoints));
        clock.Advance(TimeSpan.FromDays(10));
        RepairReport later = await RepairAsync(repository, s_giveUp);
        Assert.Equal((RepairAction.Rebuilt, 0, manifests.Length), (Assert.Single(later.Findings,
            f => f.Kind == RepairFindingKind.ManifestDamaged).Action, later.LostPoints, later.WholePoints));
    }

    /// <summary>Locks that were extended stand in the log, and hold also where the object does not tell.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_point_whose_locks_were_extended_is_not_given_up_without_its_manifest(bool isMissing)
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var fixture = new RepositoryFixture { Clock = clock, HasLockDirectory = false };
        using Repository repository = await fixture.CreateAsync();
        var points = new List<RestorePoint>();
        for (int i = 0; i < 3; i++) points.Add(await BackupAsync(repository, Disk(1 << 20, i)));
        DateTime until = clock.GetUtcNow().UtcDateTime.AddDays(5);
        await repository.Core.ApplianceLog(Appliance.ApplianceId).AppendAsync(RenewalRecord.Entry(
            Appliance.ApplianceId, until, "", [points[1].RestorePointId], 1), repository.Core.SigningSeed, default);
        string manifest = (await NamesAsync(fixture.Store)).Where(n => n.Contains("/points/")).ElementAt(1);
        await fixture.Store.DeleteAsync(manifest, default);
        if (!isMissing)
            await fixture.Store.PutAsync(manifest, new ObjectContent(new byte[] { 1, 2, 3 }), PutOptions.Metadata,
                default);
        RepairReport report = await RepairAsync(repository, s_giveUp);
        RepairFinding finding = Assert.Single(report.Findings,
            f => f.Kind is RepairFindingKind.ManifestMissing or RepairFindingKind.ManifestDamaged);
        Assert.Equal((RepairAction.Locked, until, 0, 0L),
            (finding.Action, finding.LockedUntilUtc, report.RemovedPoints, report.FreedBytes));
        clock.Advance(TimeSpan.FromDays(6));
        Assert.Equal(1, (await RepairAsync(repository, s_giveUp)).RemovedPoints);
    }

    private static Task<Repository> CreateLockedAsync(RepositoryFixture fixture) =>
        Repository.CreateAsync(new FaultStore(fixture.Store), null, fixture.Options
            with
        { Immutability = new Natalia.Backup.Engine.Core.ImmutabilityPolicy(3, ObjectLockMode.Compliance) },
            default);

    /// <summary>A log of which a record is missing: what is said of it is what is done, and a point that somebody
    /// protected stays, whatever else of it is gone.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_a_broken_log_a_protected_run_is_not_given_up(bool isProtected)
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        var points = new List<RestorePoint>();
        for (int i = 0; i < 3; i++) points.Add(await BackupAsync(repository, Disk(1 << 20, i)));
        if (isProtected) await repository.SetProtectionAsync(points[1], true, "a test", default);
        string[] names = await NamesAsync(fixture.Store);
        string manifest = names.Where(n => n.Contains("/points/")).ElementAt(1);
        byte[] bytes = await fixture.Store.ReadAllAsync(manifest, default);
        await fixture.Store.DeleteAsync(manifest, default);
        await fixture.Store.DeleteAsync(names.Single(n => n.Contains(".point-made.000000000002.")), default);
        using Repository again = await fixture.OpenAsync();
        RepairReport report = await RepairAsync(again, s_giveUp);
        RepairFinding broken = Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.AuditLogBroken);
        Assert.DoesNotContain("are kept", broken.Detail);
        Assert.Contains("protected", broken.Detail);
        Assert.Equal(!isProtected, report.FreedBytes > 0);
        if (!isProtected) return;
        await fixture.Store.PutAsync(manifest, new ObjectContent(bytes), PutOptions.Metadata, default);
        Assert.Equal(3, (await TryAllAsync(fixture)).Whole.Count);
    }

    /// <summary>A pack that was sealed as something else than what its map names opens as if it were whole. Only who
    /// compares may say that it is.</summary>
    [Fact]
    public async Task What_was_found_damaged_is_healed_only_where_blocks_are_what_their_map_names()
    {
        using var fixture = new RepositoryFixture();
        byte[] disk = new byte[3 << 20];
        new Random(1).NextBytes(disk);
        using (Repository repository = await fixture.CreateAsync())
        {
            await BackupAsync(repository, disk);
            // A newer point shares nearly all, and is looked at first.
            await BackupAsync(repository, Change(disk, 1, 2));
        }
        string pack = (await NamesAsync(fixture.Store)).First(n => n.Contains("/data/"));
        byte[] good = await fixture.Store.ReadAllAsync(pack, default), other = (byte[])good.Clone();
        other[(int)Envelope.Parse(good).BodyOffset + 70_000] ^= 1;
        Hash256.Compute(other.AsSpan(0, other.Length - Envelope.TrailerLength),
            other.AsSpan(other.Length - Envelope.TrailerLength));
        await fixture.Store.DeleteAsync(pack, default);
        await fixture.Store.PutAsync(pack + ".r1", new ObjectContent(other), PutOptions.Metadata, default);
        using Repository again = await fixture.OpenAsync();
        Assert.Equal(CheckOutcome.Failed,
            (await again.VerifyRestorePointAsync((await PointsAsync(again))[1], null, default)).Result);
        (HashSet<string> whole, HashSet<string> lost) = await TryAllAsync(fixture);
        RepairReport report = await RepairAsync(again, s_full);
        Assert.Equal((whole.Count, lost.Count), (report.WholePoints, report.LostPoints));
        Assert.Equal(2, report.LostPoints);
        Assert.DoesNotContain(report.Findings, f => f.Kind == RepairFindingKind.PointHealed);
        RepairFinding damaged = Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.PackDamaged);
        Assert.Equal((pack, RepairAction.Recorded), (damaged.Object, damaged.Action));
        Assert.All(await PointsAsync(again), p => Assert.Equal(VerificationState.Failed, p.Verification));

        await fixture.Store.DeleteAsync(pack + ".r1", default);
        await fixture.Store.PutAsync(pack, new ObjectContent(good), PutOptions.Metadata, default);
        RepairReport healed = await RepairAsync(again, s_full);
        Assert.Equal((2, 0, 2), (healed.WholePoints, healed.LostPoints,
            healed.Findings.Count(f => f.Kind == RepairFindingKind.PointHealed)));
        Assert.Equal(RepairOutcome.Whole, (await RepairAsync(again, s_full)).Outcome);
    }

    /// <summary>A bad sector under something small: it is like something damaged, all else is repaired, and nothing is
    /// given up for it.</summary>
    [Theory]
    [InlineData("/delta/000000000003")]
    [InlineData(".point-made.000000000002.")]
    [InlineData(".point-made.000000000003.")]
    [InlineData("/catalog/free-")]
    [InlineData("/catalog/points-")]
    public async Task A_small_object_that_the_store_does_not_give_keeps_nothing_else_from_being_repaired(string what)
    {
        using var fixture = new RepositoryFixture();
        int count = what.Contains("points-") ? PointCatalog.ChunkSize + 4 : 4;
        byte[] disk = Disk(100_000, 1);
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < count; i++)
            {
                disk[i] ^= 1;
                await BackupAsync(repository, disk);
            }
            await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        }
        string[] names = await NamesAsync(fixture.Store);
        string manifest = names.Where(n => n.Contains("/points/")).ElementAt(1),
            unreadable = names.Single(n => n.Contains(what));
        byte[] bytes = await fixture.Store.ReadAllAsync(manifest, default);
        await fixture.Store.DeleteAsync(manifest, default);
        var hooked = new HookStore(fixture.Store)
        {
            Before = operation => operation == "read " + unreadable || operation == "open " + unreadable
                ? throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed, "A bad sector.")
                : Task.CompletedTask,
        };
        using (Repository repairing = await fixture.OpenAsync(hooked))
        {
            RepairReport report = await RepairAsync(repairing, s_giveUp);
            Assert.NotEqual(RepairOutcome.NotExamined, report.Outcome);
            Assert.Equal((count - 1, 0), (report.WholePoints, report.RemovedPoints));
            if (what.Contains("point-made"))
                Assert.Contains("could not read",
                    Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.AuditLogBroken).Detail);
        }
        await fixture.Store.PutAsync(manifest, new ObjectContent(bytes), PutOptions.Metadata, default);
        Assert.Equal(count, (await TryAllAsync(fixture)).Whole.Count);
        using Repository after = await fixture.OpenAsync();
        Assert.DoesNotContain(await Natalia.Backup.Engine.Verification.AuditVerification.ExecuteAsync(fixture.Store,
            new AuditExpectations(), default), r => r.Result == CheckOutcome.Failed);
        Assert.Equal(0, (await RepairAsync(after, s_full)).LostPoints);
    }

    /// <summary>A damaged object before a whole one of the same pack goes. The plan sees what will be read then, and
    /// not what is read today.</summary>
    [Theory]
    [InlineData("/meta/")]
    [InlineData("/data/")]
    public async Task A_plan_looks_behind_the_damaged_object_that_it_removes(string room)
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 3; i++) await BackupAsync(repository, Disk(2 << 20, i));
        }
        string pack = (await NamesAsync(fixture.Store)).First(n => n.Contains(room));
        byte[] whole = await fixture.Store.ReadAllAsync(pack, default);
        await fixture.Store.PutAsync(pack + ".r1", new ObjectContent(whole), PutOptions.Metadata, default);
        await fixture.Store.DeleteAsync(pack, default);
        await fixture.Store.PutAsync(pack, new ObjectContent(whole.AsMemory(0, whole.Length / 2)), PutOptions.Metadata,
            default);
        using Repository again = await fixture.OpenAsync();
        RepairReport planned = await RepairAsync(again, s_full with { WhatIf = true });
        Assert.Equal((3, 0), (planned.WholePoints, planned.LostPoints));
        Assert.Contains("would take its place", Assert.Single(planned.Findings).Detail);
        RepairReport done = await RepairAsync(again, s_full);
        Assert.Equal((pack, RepairAction.Removed, whole.Length / 2L),
            (Assert.Single(done.Findings).Object, done.Findings[0].Action, done.FreedBytes));
        Assert.Equal(3, (await TryAllAsync(fixture)).Whole.Count);
    }

    /// <summary>Where a lock keeps the damaged object, readers go on taking it: what they cannot have is told as lost,
    /// whatever lies behind it.</summary>
    [Fact]
    public async Task What_a_locked_damaged_object_hides_is_told_as_it_is_read()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock, objectLock: true);
        using var fixture = new RepositoryFixture(store) { Clock = clock, HasLockDirectory = false };
        using Repository repository = await Repository.CreateAsync(new FaultStore(store), null, fixture.Options
            with
        { Immutability = new Natalia.Backup.Engine.Core.ImmutabilityPolicy(3, ObjectLockMode.Compliance) },
            default);
        for (int i = 0; i < 2; i++) await BackupAsync(repository, Disk(2 << 20, i));
        string pack = (await NamesAsync(store)).First(n => n.Contains("/data/"));
        await store.PutAsync(pack + ".r1", new ObjectContent(await store.ReadAllAsync(pack, default)),
            PutOptions.Metadata, default);
        store.Tamper(pack, bytes => bytes.AsSpan(0, bytes.Length / 2).ToArray());
        using Repository again = await fixture.OpenAsync();
        RepairReport report = await RepairAsync(again, s_full);
        (HashSet<string> whole, HashSet<string> lost) = await TryAllAsync(fixture);
        Assert.Equal((whole.Count, lost.Count), (report.WholePoints, report.LostPoints));
        Assert.Equal(1, report.LostPoints);
        Assert.Contains(report.Findings, f => f.Object == pack && f.Action == RepairAction.Locked
            && f.LockedUntilUtc > clock.GetUtcNow().UtcDateTime);
    }

    /// <summary>
    /// A hold that nobody could see beforehand: the plan is not carried on as if the manifest had gone.
    /// </summary>
    [Fact]
    public async Task Where_a_lock_shows_only_at_the_try_nothing_is_given_back_that_the_manifest_needs()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 3; i++) await BackupAsync(repository, Disk(5 << 20, i));
        }
        string manifest = (await NamesAsync(fixture.Store)).Where(n => n.Contains("/points/")).ElementAt(1);
        await fixture.Store.DeleteAsync(manifest, default);
        await fixture.Store.PutAsync(manifest, new ObjectContent(new byte[] { 1, 2, 3 }), PutOptions.Metadata, default);
        var hooked = new HookStore(fixture.Store)
        {
            Before = operation => operation == "delete " + manifest
                ? throw new NataliaException(ErrorIds.ObjectLocked, NataliaErrorKind.PermissionDenied,
                    "A hold.") : Task.CompletedTask,
        };
        using (Repository held = await fixture.OpenAsync(hooked))
        {
            RepairReport report = await held.RepairAsync(s_giveUp, (_, why) => Assert.Fail(why.ToString()), null,
                default);
            RepairFinding finding = Assert.Single(report.Findings, f => f.Object == manifest);
            Assert.Equal((RepairAction.Locked, 1, 0L), (finding.Action, report.RemovedPoints, report.FreedBytes));
            Assert.Contains("Its point was given up", finding.Detail);
            Assert.All(report.Findings.Where(f => f.Kind == RepairFindingKind.UnneededSpace),
                f => Assert.Equal(RepairAction.Locked, f.Action));
        }
        using Repository again = await fixture.OpenAsync();
        RepairReport after = await RepairAsync(again, s_giveUp);
        Assert.True(after.FreedBytes > 1_000_000, $"{after.FreedBytes}");
        await ReclaimTests.AssertSweptAsync(fixture, "after the hold");
        await AssertCleanAsync(again, "after the hold");
    }

    [Fact]
    public async Task An_appliance_that_is_being_backed_up_is_left_to_its_backup()
    {
        using var fixture = new RepositoryFixture();
        using Repository first = await fixture.CreateAsync(), second = await fixture.OpenAsync();
        await BackupAsync(first, Disk(1 << 20, 1));
        var failures = new List<NataliaException>();
        RepairReport? report = null;
        await first.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 2))), async _ =>
        {
            Assert.DoesNotContain((await RepairAsync(second, s_usual with { WhatIf = true })).Findings,
                f => f.Kind == RepairFindingKind.OrphanedRun);
            report = await second.RepairAsync(s_usual, (_, why) => failures.Add(why), null, default);
        }, null, default);
        Assert.Equal(ErrorIds.LeaseHeld, Assert.Single(failures).ErrorId);
        Assert.Equal(RepairOutcome.NotExamined, report!.Outcome);
        Assert.Equal(2, (await TryAllAsync(fixture)).Whole.Count);
    }

    /// <summary>A backup ends while a repair looks who holds the lease: nobody died.</summary>
    [Fact]
    public async Task A_run_that_ends_when_a_repair_begins_left_no_stale_lease()
    {
        using var fixture = new RepositoryFixture();
        using Repository first = await fixture.CreateAsync();
        await BackupAsync(first, Disk(1 << 20, 1));
        TaskCompletionSource<bool> entered = new(), goOn = new();
        Task<RestorePoint> running = first.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 2))), async _ =>
        {
            entered.SetResult(true);
            await goOn.Task;
        }, null, default);
        await entered.Task;
        async Task EndAsync(string operation)
        {
            if (!operation.StartsWith("list ", StringComparison.Ordinal) || !operation.Contains("/leases/")
                || goOn.Task.IsCompleted)
                return;
            goOn.SetResult(true);
            await running;
        }
        // At the first look the lease is open; for the second the run has ended.
        var hooked = new HookStore(fixture.Store) { After = EndAsync };
        using Repository second = await fixture.OpenAsync(hooked);
        var failures = new List<NataliaException>();
        RepairReport report = await second.RepairAsync(s_usual, (_, why) => failures.Add(why), null, default);
        // Refused, when the first look is that of taking the lease; and then said to be held, not stale.
        Assert.All(failures, f => Assert.Equal(ErrorIds.LeaseHeld, f.ErrorId));
        Assert.DoesNotContain(report.Findings, f => f.Kind == RepairFindingKind.LeaseStale);
        Assert.DoesNotContain((await RepairAsync(second, s_usual)).Findings,
            f => f.Kind == RepairFindingKind.LeaseStale);
    }

    [Fact]
    public async Task A_lease_that_a_dead_run_left_is_told()
    {
        using var fixture = new RepositoryFixture();
        using (Repository first = await fixture.CreateAsync()) await BackupAsync(first, Disk(1 << 20, 1));
        var killed = new MemoryDiskSource(Disk(1 << 20, 2))
        {
            OnRead = (_, _) => throw new SimulatedCrashException("read"),
        };
        // The process is gone before it can end its lease.
        var hooked = new HookStore(fixture.Store)
        {
            Before =
                operation =>
                    operation.StartsWith("put ", StringComparison.Ordinal)
                    && operation.EndsWith(".end", StringComparison.Ordinal)
                ? throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection, "Gone.")
                : Task.CompletedTask,
        };
        using (Repository dead = await fixture.OpenAsync(hooked))
            await Assert.ThrowsAsync<SimulatedCrashException>(() => BackupAsync(dead, killed));
        using Repository next = await fixture.OpenAsync();
        Assert.Equal(RepairAction.Removed,
            Assert.Single((await RepairAsync(next, s_usual)).Findings,
                f => f.Kind == RepairFindingKind.LeaseStale).Action);
    }

    [Theory]
    [InlineData(Fault.CrashBefore)]
    [InlineData(Fault.CrashAfter)]
    [InlineData(Fault.Tear)]
    [InlineData(Fault.PowerLoss)]
    [InlineData(Fault.FailBefore)]
    [InlineData(Fault.FailAfter)]
    [InlineData(Fault.Gone)]
    public async Task A_repair_that_dies_at_any_operation_harms_nothing_that_is_whole(Fault fault)
    {
        using var fixture = new RepositoryFixture { CheckpointBytes = 600_000 };
        byte[] disk = Disk(1 << 20, 1);
        // A death matters where something is written, an error where anything is asked.
        bool writesOnly = fault is not (Fault.FailBefore or Fault.FailAfter or Fault.Gone);
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 5; i++) await BackupAsync(repository, disk = Change(disk, 12, i));
            await repository.RemoveRestorePointAsync((await PointsAsync(repository))[3], "a test", default);
        }
        string[] names = await NamesAsync(fixture.Store);
        string[] packs = [.. names.Where(n => n.Contains("/data/"))],
            deltas = [.. names.Where(n => n.Contains("/delta/"))];
        foreach (string gone in new[] { packs[^2], deltas[^2], deltas[1], names.Last(
            n => n.Contains("/catalog/") || n.Contains("/meta/") && n.Contains(deltas[2].Split('/')[^1])) }.Distinct())
            await fixture.Store.DeleteAsync(gone, default);
        Dictionary<string, byte[]> damaged = await CopyAsync(fixture.Store);
        (HashSet<string> whole, _) = await TryAllAsync(fixture);
        Assert.NotEmpty(whole);
        int operations = int.MaxValue;
        for (int at = -1; at < operations; at++)
        {
            await ResetAsync(fixture.Store, damaged);
            var faulty = new FaultStore(fixture.Store, at < 0 ? Fault.None : fault, at, writesOnly);
            try
            {
                using Repository dying = await fixture.OpenAsync(faulty);
                await dying.RepairAsync(s_giveUp, (_, _) => { }, null, default);
            }
            catch (Exception failure) when (failure is SimulatedCrashException or NataliaException)
            {
            }
            if (at < 0) operations = faulty.Operations;
            string what = $"{fault} at {at}" + (at >= 0 && at < faulty.Log.Count ? ": " + faulty.Log[at] : "");
            using Repository repository = await fixture.OpenAsync();
            Assert.True((await TryAllAsync(fixture)).Whole.IsSupersetOf(whole), what);
            if (fault == Fault.Tear && at >= 0 && faulty.Log[at].Contains("/leases/")) continue;
            RepairReport again = await RepairAsync(repository, s_giveUp);
            Assert.True(again.Outcome != RepairOutcome.NotExamined, what);
            (HashSet<string> after, _) = await TryAllAsync(fixture);
            Assert.True(after.IsSupersetOf(whole), what);
            RestorePoint next = await BackupAsync(repository, Change(disk, 4, 77));
            Assert.True(await StateFinder.IsAsync(repository, next, Change(disk, 4, 77)), what);
            await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            Assert.True((await TryAllAsync(fixture)).Whole.IsSupersetOf(whole), what);
        }
        Assert.True(operations > 12, $"{operations} operations");
    }

    /// <summary>
    /// Backups, removals, optimizations, damage, repairs and crashes in random order: what restored before a repair
    /// restores after it, and what it says is lost is what does not restore.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public Task Any_sequence_with_damage_and_repair_keeps_what_is_whole(int seed) =>
        Sequence.CheckAsync(seed, 25, 12, async steps =>
    {
        using var fixture = new RepositoryFixture { CheckpointBytes = 600_000, Password = seed % 2 == 0 ? "p" : null };
        (await fixture.CreateAsync()).Dispose();
        var states = new List<byte[]> { Disk(2 << 20, seed) };
        var model = new Dictionary<string, byte[]>();
        foreach (Step step in steps)
        {
            string what = $"step {step}";
            var random = new Random(step.Seed);
            using Repository repository = await fixture.OpenAsync();
            switch (step.Kind)
            {
                case < 4:
                    states.Add(Change(states[^1], random.Next(1, 30), random.Next()));
                    bool heals = (await RepairAsync(repository, s_full)).Outcome != RepairOutcome.NotExamined;
                    RestorePoint made = random.Next(2) == 0
                        ? await BackupTrackedAsync(repository, states)
                        : await BackupAsync(repository, states[^1]);
                    model[made.RestorePointId] = states[^1];
                    Assert.True(heals && await StateFinder.IsAsync(repository, made, states[^1]),
                        $"{what}: the new point");
                    break;
                case < 6:
                    IReadOnlyList<RestorePoint> points =
                        await repository.GetRestorePointsAsync(new RestorePointFilter(),
                        _ => { }, default);
                    if (points.Count < 2) break;
                    try
                    {
                        await repository.RemoveRestorePointAsync(points[random.Next(1, points.Count)], "a test",
                            default);
                    }
                    catch (NataliaException refused) when (refused.ErrorId == ErrorIds.RestorePointIsNewest)
                    {
                    }
                    break;
                case 6:
                    HashSet<string> before = (await TryAllAsync(fixture, model)).Whole;
                    await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
                    Assert.True((await TryAllAsync(fixture, model)).Whole.IsSupersetOf(before), $"{what}: optimize");
                    break;
                case < 9:
                    string[] names = [.. (await NamesAsync(fixture.Store))
                        .Where(n => n.StartsWith("appliances/", StringComparison.Ordinal) && !n.Contains("/leases/")
                            && !n.Contains("/log/"))];
                    if (names.Length == 0) break;
                    string victim = names[random.Next(names.Length)];
                    byte[] good = await fixture.Store.ReadAllAsync(victim, default);
                    await fixture.Store.DeleteAsync(victim, default);
                    int kind = random.Next(3);
                    if (kind == 1)
                        await fixture.Store.PutAsync(victim,
                            new ObjectContent(good.AsSpan(0, random.Next(good.Length)).ToArray()), PutOptions.Metadata,
                            default);
                    if (kind == 2)
                    {
                        good[random.Next(good.Length)] ^= 1;
                        await fixture.Store.PutAsync(victim, new ObjectContent(good), PutOptions.Metadata, default);
                    }
                    break;
                default:
                    (HashSet<string> whole, HashSet<string> lost) = await TryAllAsync(fixture, model);
                    bool dies = random.Next(3) == 0;
                    RepairOptions options = random.Next(2) == 0 ? s_full : s_giveUp;
                    if (dies)
                    {
                        var faulty = new FaultStore(fixture.Store,
                            random.Next(2) == 0 ? Fault.CrashBefore : Fault.CrashAfter, random.Next(4, 120),
                            seed: seed);
                        try
                        {
                            using Repository dying = await fixture.OpenAsync(faulty);
                            await dying.RepairAsync(options, (_, _) => { }, null, default);
                        }
                        catch (SimulatedCrashException)
                        {
                        }
                    }
                    else
                    {
                        RepairReport report = await RepairAsync(repository, options);
                        Assert.True(report.WholePoints == whole.Count
                            && report.Findings.Where(f => f.Kind == RepairFindingKind.PointLost)
                                .Select(f => f.RestorePointId!).ToHashSet().SetEquals(lost),
                            $"{what}: {report}, but {whole.Count} restore and {lost.Count} do not; "
                            + $"{string.Join("; ", report.Findings)}");
                        // Once more there is nothing left to do but what has to wait.
                        RepairReport second = await RepairAsync(repository, options);
                        Assert.True(second.FreedBytes == 0 || report.RemovedPoints > 0,
                            $"{what}: {second}; {string.Join("; ", second.Findings)}");
                        // A removed point that stays for its grace may be lost: then nobody knows all that it needs.
                        if (!report.Findings
                            .Any(f => f.BytesLost > 0
                                || f.Kind is RepairFindingKind.PackDamaged or RepairFindingKind.PackMissing
                                    or RepairFindingKind.ManifestMissing or RepairFindingKind.ManifestDamaged))
                            await ReclaimTests.AssertSweptAsync(fixture, what);
                    }
                    Assert.True((await TryAllAsync(fixture, model)).Whole.IsSupersetOf(whole), $"{what}: repair");
                    break;
            }
        }
        using Repository end = await fixture.OpenAsync();
        HashSet<string> last = (await TryAllAsync(fixture, model)).Whole;
        await RepairAsync(end, s_giveUp);
        await BackupAsync(end, states[^1]);
        await RepairAsync(end, s_giveUp);
        await end.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        (HashSet<string> wholeThen, HashSet<string> lostThen) = await TryAllAsync(fixture, model);
        Assert.True(wholeThen.IsSupersetOf(last), $"{last.Count} were whole, {wholeThen.Count} are in the end");
        await AssertDisksAsync(fixture, lostThen, "in the end");
        if (lostThen.Count > 0) return;
        await AssertCleanAsync(end, "in the end");
        await ReclaimTests.AssertSweptAsync(fixture, "in the end");
    });

    /// <summary>Before every repair it is asked what it would do; and that is what it does: the same findings, the same
    /// deeds, the same numbers.</summary>
    private static async Task<RepairReport> RepairAsync(Repository repository, RepairOptions options)
    {
        if (options.WhatIf) return await RunAsync(options);
        RepairReport planned = await RunAsync(options with { WhatIf = true }), done = await RunAsync(options);
        // Whether a lease that is open is a dead run's shows only when it is asked for.
        if (!planned.Findings.Any(f => f.Kind == RepairFindingKind.LeaseStale)) Assert.Equal(Tell(planned), Tell(done));
        return done;

        Task<RepairReport> RunAsync(RepairOptions how) =>
            repository.RepairAsync(how, (_, why) => Assert.Fail(why.ToString()), null, default);
    }

    private static List<string> Tell(RepairReport report) =>
    [
        $"{report.Outcome}, {report.WholePoints} whole, {report.LostPoints} lost, {report.RemovedPoints} removed, "
            + $"{report.UnneededBytes} bytes unneeded, {report.FreedBytes} freed",
        .. report.Findings.Select(f => $"{f.Kind} {f.Action} {f.Object} {f.RestorePointId} {f.PointTimeUtc:O} "
            + $"{f.DiskId} {f.BytesLost} {f.StoredBytes} {f.LockedUntilUtc:O} {string.Join(",", f.LostExtents)}"),
    ];

    /// <summary>A backup of the last state, as a hypervisor with change tracking makes it.</summary>
    private static Task<RestorePoint> BackupTrackedAsync(Repository repository, List<byte[]> states)
    {
        Dictionary<string, byte[]> earlier = states.Select((s, i) => (s, i)).ToDictionary(s => "t" + s.i, s => s.s);
        return repository.BackupAsync(
            Request(new TrackedMemoryDiskSource(states[^1], "t" + (states.Count - 1), earlier)),
            null, null, default);
    }

    /// <summary>The independent model: a point is whole when it can be restored.</summary>
    private static async Task<(HashSet<string> Whole, HashSet<string> Lost)> TryAllAsync(RepositoryFixture fixture,
        Dictionary<string, byte[]>? model = null)
    {
        using Repository repository = await fixture.OpenAsync();
        HashSet<string> whole = [], lost = [];
        foreach (RestorePoint point in await repository.GetRestorePointsAsync(new RestorePointFilter(), _ => { },
            default))
        {
            try
            {
                byte[]? expected = model is not null && model.TryGetValue(point.RestorePointId, out byte[]? state)
                    ? state
                    : null;
                bool isSame = await StateFinder.IsAsync(repository, point, expected ?? []);
                await (await repository.OpenPointAsync(point, default)).GetConfigurationAsync(default);
                Assert.True(expected is null || isSame, $"{point.Sequence} restores to something else");
                whole.Add(point.RestorePointId);
            }
            catch (NataliaException damage)
                when (damage.ErrorId is ErrorIds.BlockDamaged or ErrorIds.BlockMapDamaged or ErrorIds.PackMissing
                    or ErrorIds.ObjectDamaged)
            {
                lost.Add(point.RestorePointId);
            }
        }
        return (whole, lost);
    }

    /// <summary>The disks of these points can be had, whatever else of them is lost.</summary>
    private static async Task AssertDisksAsync(RepositoryFixture fixture, HashSet<string> points, string what)
    {
        using Repository repository = await fixture.OpenAsync();
        foreach (RestorePoint point in (await repository.GetRestorePointsAsync(new RestorePointFilter(), _ => { },
            default))
            .Where(p => points.Contains(p.RestorePointId)))
        {
            Exception? failure = await Record.ExceptionAsync(() => RestoreAsync(repository, point));
            Assert.True(failure is null, $"{what}: {point.Sequence} is lost and stays: {failure?.Message}");
        }
    }

    private static async Task AssertCleanAsync(Repository repository, string what)
    {
        CheckResult? failed = (await CheckAsync(repository)).Find(r => r.Result == CheckOutcome.Failed);
        Assert.True(failed is null, $"{what}: {failed?.Detail}");
    }

    private static async Task<string[]> NamesAsync(IObjectStore store) =>
        [.. (await store.ListAllAsync("", default)).Select(o => o.Name)];

    private static async Task<long> BytesAsync(IObjectStore store) =>
        (await store.ListAllAsync("", default)).Where(o => o.Name.Contains("/data/") || o.Name.Contains("/meta/"))
            .Sum(o => o.Length);

    private static async Task<Dictionary<string, byte[]>> CopyAsync(IObjectStore store)
    {
        var copy = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (string name in await NamesAsync(store)) copy[name] = await store.ReadAllAsync(name, default);
        return copy;
    }

    private static async Task ResetAsync(IObjectStore store, Dictionary<string, byte[]> copy)
    {
        foreach (string name in await NamesAsync(store)) await store.DeleteAsync(name, default);
        foreach (KeyValuePair<string, byte[]> item in copy)
            await store.PutAsync(item.Key, new ObjectContent(item.Value), PutOptions.Metadata, default);
    }
}
