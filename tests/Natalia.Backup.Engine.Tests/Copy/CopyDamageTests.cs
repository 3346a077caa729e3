using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Engine.Tests.Copy.CopySteps;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Copy;

/// <summary>
/// Copies of which one side is damaged: a good copy is made again, lost points come back, and the newest state is never
/// removed, in whatever order the points arrived.
/// </summary>
public sealed class CopyDamageTests
{
    private static readonly DateTime s_time = new(2026, 3, 1, 2, 0, 0, DateTimeKind.Utc);
    private static readonly RepairOptions s_giveUp = new() { Full = true, RemoveLost = true };

    /// <summary>Three points; oldest first.</summary>
    private static async Task<(RestorePoint[] Points, Dictionary<string, byte[]> States)> FillAsync(
        Repository repository)
    {
        var states = new Dictionary<string, byte[]>();
        byte[] disk = Disk(4 << 20, 1);
        for (int i = 0; i < 3; i++)
        {
            states[(await BackupAsync(repository, disk, time: s_time.AddDays(i))).RestorePointId] = disk;
            disk = Change(disk, 6, 100 + i);
        }
        return ([.. (await PointsAsync(repository)).Reverse()], states);
    }

    private static async Task DamageAsync(RepositoryFixture fixture, string restorePointId)
    {
        string pack = (await fixture.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/data/",
            default)).First(o => o.Name.Contains(restorePointId)).Name;
        byte[] bytes = await fixture.Store.ReadAllAsync(pack, default);
        bytes[bytes.Length / 2] ^= 1;
        await fixture.Store.DeleteAsync(pack, default);
        await fixture.Store.PutAsync(pack, new ObjectContent(bytes), PutOptions.Metadata, default);
    }

    private static async Task<CheckOutcome> TestAsync(Repository repository, RestorePoint point) =>
        (await repository.VerifyRestorePointAsync(point, null, default)).Result;

    private static async Task<RestorePoint> FindAsync(Repository repository, string id) =>
        (await PointsAsync(repository)).Single(p => p.RestorePointId == id);

    private static async Task<string> RefusalAsync(Repository repository, RestorePoint point)
    {
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(point, "a test", default));
        Assert.Equal(refused.Message, (await repository.FindRemovalRefusalAsync(point, default))!.Message);
        Assert.Equal(ErrorIds.RestorePointIsNewest, refused.ErrorId);
        return refused.Message;
    }

    [Fact]
    public async Task The_newest_state_is_not_removed_when_older_points_arrived_after_it()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        (RestorePoint[] points, _) = await FillAsync(source);
        await new PointCopier(source, destination, null).CopyAsync(points[2], false, null, default);
        await CopyAllAsync(source, destination);
        RestorePoint[] copies = [.. (await PointsAsync(destination)).Reverse()];
        Assert.Equal([2, 3, 1], copies.Select(c => (int)c.Sequence!));
        Assert.Contains("is the newest one", await RefusalAsync(destination, copies[2]));
        // Where a clock went back, this one would be the newest state.
        Assert.Contains("made in this repository last", await RefusalAsync(destination, copies[1]));
        // What a plan removes is never refused, and what is refused is in no plan.
        IReadOnlyList<RetentionPoint> described = await destination.DescribeForRetentionAsync(copies, default);
        Assert.Equal([copies[0].RestorePointId],
            RetentionPlanner.Plan(described, new RetentionPolicy { Last = 1 }, s_time.AddDays(9))
                .Where(r => r.Action == RetentionAction.Remove).Select(r => r.RestorePointId!));
        await destination.RemoveRestorePointAsync(copies[0], "a test", default);

        // Damaged, it is the newest one all the same, and the newest undamaged one is safe as well.
        await DamageAsync(to, copies[2].RestorePointId);
        using Repository reopened = await to.OpenAsync();
        Assert.Equal(CheckOutcome.Failed, await TestAsync(reopened, copies[2]));
        Assert.Contains("is the newest one", await RefusalAsync(reopened, copies[2]));
        Assert.Contains("newest undamaged", await RefusalAsync(reopened, copies[1]));
        RepairReport report = await reopened.RepairAsync(s_giveUp, (_, why) => Assert.Fail(why.ToString()), null,
            default);
        Assert.Contains(copies[2].RestorePointId, (await PointsAsync(reopened)).Select(p => p.RestorePointId));
        Assert.Contains(report.Findings,
            f => f.RestorePointId == copies[2].RestorePointId
                && f.Detail!.Contains("stays until there is a newer one"));

        // Nor is it given up when its manifest is gone.
        foreach (StoredObject found in (await to.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/",
            default))
            .Where(o => o.Name.Contains("/catalog/")
                || o.Name.Contains("/points/") && o.Name.Contains(copies[2].RestorePointId)))
            await to.Store.DeleteAsync(found.Name, default);
        using Repository manifestGone = await to.OpenAsync();
        report = await manifestGone.RepairAsync(s_giveUp, (_, why) => Assert.Fail(why.ToString()), null, default);
        Assert.Equal(RepairAction.Kept,
            Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.ManifestMissing).Action);
    }

    /// <summary>A segment table is sealed by nobody: what it says of lengths is damage of its points, and ends no run
    /// of copies.</summary>
    [Theory]
    [InlineData(10)]
    [InlineData(64)]
    public async Task A_forged_length_of_a_segment_fails_its_point_only(int blocks)
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        var disk = new byte[blocks << 16];
        new Random(1).NextBytes(disk);
        RestorePoint first = await BackupAsync(source, (byte[])disk.Clone(), time: s_time);
        new Random(2).NextBytes(disk);
        await BackupAsync(source, disk, time: s_time.AddDays(1));
        string pack = (await from.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/data/",
            default)).First(o => o.Name.Contains(first.RestorePointId)).Name;
        byte[] bytes = await from.Store.ReadAllAsync(pack, default);
        Envelope whole = Envelope.Parse(bytes);
        var forged = new Envelope
        {
            Kind = whole.Kind,
            Cipher = whole.Cipher,
            Id = whole.Id,
            Header = whole.Header,
            Segments = [whole.Segments[0] with { SealedLength = 9 << 20 }, .. whole.Segments.Skip(1)],
        };
        await from.Store.DeleteAsync(pack, default);
        byte[] lying = [.. forged.EncodePrefix(), .. bytes.Skip((int)whole.BodyOffset), .. new byte[9 << 20]];
        await from.Store.PutAsync(pack, new ObjectContent(lying), PutOptions.Metadata, default);

        using Repository reopened = await from.OpenAsync();
        var failed = new List<(string PointId, string ErrorId, string? Target)>();
        PointCopy copy = Assert.Single(await CopyAllAsync(reopened, destination,
            onFailure: (p, e) => failed.Add((p.RestorePointId, e.ErrorId, e.Target))));
        Assert.Equal((first.RestorePointId, ErrorIds.RestorePointDamaged, pack), Assert.Single(failed));
        Assert.Equal(disk, await RestoreAsync(destination, await FindAsync(destination, copy.RestorePointId!)));
    }

    [Fact]
    public async Task A_point_that_is_damaged_in_the_destination_is_copied_again_once()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        (RestorePoint[] points, Dictionary<string, byte[]> states) = await FillAsync(source);
        List<PointCopy> first = await CopyAllAsync(source, destination);
        string bad = first[1].RestorePointId!;
        await DamageAsync(to, bad);
        using Repository reopened = await to.OpenAsync();
        Assert.Equal(CheckOutcome.Failed, await TestAsync(reopened, await FindAsync(reopened, bad)));

        List<PointCopy> again = await CopyAllAsync(source, reopened);
        Assert.Equal([CopyStatus.AlreadyThere, CopyStatus.Copied, CopyStatus.AlreadyThere],
            again.Select(c => c.Status));
        Assert.Contains(bad, again[1].Reason);
        Assert.Contains("found damaged", again[1].Reason);
        RestorePoint made = await FindAsync(reopened, again[1].RestorePointId!);
        Assert.Equal((points[1].RestorePointId, points[1].TimeUtc), (made.OriginalRestorePointId, made.TimeUtc));
        Assert.Equal(CheckOutcome.Passed, await TestAsync(reopened, made));
        Assert.Equal(states[points[1].RestorePointId], await RestoreAsync(reopened, made));
        Assert.Equal(VerificationState.Failed, (await FindAsync(reopened, bad)).Verification);
        Assert.All(await CopyAllAsync(source, reopened), c => Assert.Equal(CopyStatus.AlreadyThere, c.Status));

        // Retention keeps the good one of the two, and the damaged one's removal does not make anybody think that the
        // state is unwanted.
        IReadOnlyList<RetentionPoint> described = await reopened.DescribeForRetentionAsync(await PointsAsync(reopened),
            default);
        Assert.Equal([bad],
            RetentionPlanner.Plan(described, new RetentionPolicy { Last = 9 }, s_time.AddDays(9))
                .Where(r => r.Action == RetentionAction.Remove).Select(r => r.RestorePointId!));
        await reopened.RemoveRestorePointAsync(await FindAsync(reopened, bad), "retention", default);
        Assert.All(await CopyAllAsync(source, reopened), c => Assert.Equal(CopyStatus.AlreadyThere, c.Status));
        await DamageAsync(to, made.RestorePointId);
        using Repository third = await to.OpenAsync();
        Assert.Equal(CheckOutcome.Failed, await TestAsync(third, made));
        Assert.Equal(CopyStatus.Copied, (await CopyAllAsync(source, third))[1].Status);
        Assert.DoesNotContain(await third.VerifyAuditAsync(new AuditExpectations(), default),
            r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
    }

    [Fact]
    public async Task A_damaged_original_comes_back_from_its_copy()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        (RestorePoint[] points, Dictionary<string, byte[]> states) = await FillAsync(source);
        await CopyAllAsync(source, destination);
        await DamageAsync(from, points[1].RestorePointId);
        using Repository damaged = await from.OpenAsync();
        Assert.Equal(CheckOutcome.Failed, await TestAsync(damaged, points[1]));
        List<PointCopy> back = await CopyAllAsync(destination, damaged);
        Assert.Equal([CopyStatus.AlreadyThere, CopyStatus.Copied, CopyStatus.AlreadyThere], back.Select(c => c.Status));
        RestorePoint good = await FindAsync(damaged, back[1].RestorePointId!);
        Assert.Equal((points[1].RestorePointId, source.RepositoryId),
            (good.OriginalRestorePointId, good.OriginalRepositoryId));
        Assert.Equal(states[points[1].RestorePointId], await RestoreAsync(damaged, good));
        // Neither way is anything copied once more.
        Assert.All(await CopyAllAsync(damaged, destination), c => Assert.Equal(CopyStatus.AlreadyThere, c.Status));
        Assert.All(await CopyAllAsync(destination, damaged), c => Assert.Equal(CopyStatus.AlreadyThere, c.Status));
        byte[] next = Change(states[points[2].RestorePointId], 4, 9);
        states[(await BackupAsync(damaged, next, time: s_time.AddDays(5))).RestorePointId] = next;
        await damaged.RepairAsync(s_giveUp, (_, why) => Assert.Fail(why.ToString()), null, default);
        Assert.DoesNotContain(points[1].RestorePointId, (await PointsAsync(damaged)).Select(p => p.RestorePointId));
        await CopyAllAsync(destination, damaged);
        Assert.Equal(4, (await PointsAsync(damaged)).Count);
        await AssertCopiesAsync(damaged, states, "back");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_repair_gave_up_is_copied_back_and_what_somebody_removed_is_not(bool manifestGone)
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        (RestorePoint[] points, Dictionary<string, byte[]> states) = await FillAsync(source);
        await CopyAllAsync(source, destination);
        foreach ((RepositoryFixture fixture, Repository good) in new[] { (from, destination), (to, source) })
        {
            RestorePoint[] here;
            using (Repository before = await fixture.OpenAsync())
            {
                here = [.. (await PointsAsync(before)).Reverse()];
                await before.RemoveRestorePointAsync(here[0], "no longer wanted", default);
            }
            string id = here[1].RestorePointId;
            if (manifestGone)
            {
                foreach (string room in new[] { "points", "catalog" })
                    foreach (StoredObject found in (await fixture.Store.ListAllAsync(
                        $"appliances/{Appliance.ApplianceId}/{room}/",
                        default))
                        .Where(o => room == "catalog" || o.Name.Contains(id)))
                        await fixture.Store.DeleteAsync(found.Name, default);
            }
            else
            {
                await DamageAsync(fixture, id);
            }
            using Repository damaged = await fixture.OpenAsync();
            Assert.Equal(1,
                (await damaged.RepairAsync(s_giveUp, (_, why) => Assert.Fail(why.ToString()), null,
                    default)).RemovedPoints);
            AuditRecord removal = (await damaged.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e,
                default)).Single(r => r.Event == AuditEvents.PointRemoved && r.RestorePointId == id);
            Assert.Contains("\"lost\":true", removal.Data);
            if (fixture == to) Assert.Contains(points[1].RestorePointId, removal.Data);
            List<PointCopy> back = await CopyAllAsync(good, damaged);
            Assert.DoesNotContain(back, c => c.TimeUtc == points[0].TimeUtc && c.Status != CopyStatus.RemovedThere);
            PointCopy copied = Assert.Single(back, c => c.TimeUtc == points[1].TimeUtc);
            Assert.Equal(CopyStatus.Copied, copied.Status);
            // The newest one, which is never given up, leaned on what was lost, too.
            PointCopy newest = back.First(c => c.TimeUtc == points[2].TimeUtc);
            Assert.Equal(manifestGone ? CopyStatus.AlreadyThere : CopyStatus.Copied, newest.Status);
            foreach (PointCopy whole in new[] { copied, newest })
                Assert.Equal(states[points[whole == copied ? 1 : 2].RestorePointId],
                    await RestoreAsync(damaged, await FindAsync(damaged, whole.RestorePointId!)));
            // What came back and is then removed by somebody stays away.
            await BackupAsync(damaged, states[points[2].RestorePointId], time: s_time.AddDays(7));
            await damaged.RemoveRestorePointAsync(await FindAsync(damaged, copied.RestorePointId!), "no longer wanted",
                default);
            Assert.Equal(CopyStatus.RemovedThere,
                (await CopyAllAsync(good, damaged)).Single(c => c.TimeUtc == points[1].TimeUtc).Status);
            await new PointCopier(good, damaged,
                null).CopyAsync((await PointsAsync(good)).Single(p => p.TimeUtc == points[1].TimeUtc), true, null,
                    default);
        }
    }
}
