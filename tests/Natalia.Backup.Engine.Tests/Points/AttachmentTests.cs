using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Engine.Tests.Copy.CopySteps;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Points;

/// <summary>
/// Attachments are a part of their point: they are given back as they were, shared, copied, verified, repaired and
/// reclaimed with it.
/// </summary>
public sealed class AttachmentTests
{
    private static readonly byte[] s_disk = Disk(70_000, 1);

    [Fact]
    public async Task They_are_given_back_as_they_were_and_what_did_not_change_is_shared()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using Repository repository = await fixture.CreateAsync();
        ApplianceAttachment variables = Attachment("uefi-variables", 2_700_000, 1, AttachmentKind.UefiVariables),
            tpm = Attachment("tpm", 7, 2, AttachmentKind.TpmState), empty = Attachment("empty", 0, 3);
        RestorePoint first = await MakeAsync(repository, variables, tpm, empty);
        Assert.Equal([("uefi-variables", AttachmentKind.UefiVariables, 2_700_000), ("tpm", AttachmentKind.TpmState, 7),
            ("empty", AttachmentKind.Other, 0)], first.Attachments.Select(a => (a.Name, a.Kind, (int)a.SizeBytes)));
        long after = await BytesAsync(fixture.Store);
        RestorePoint second = await MakeAsync(repository, variables, tpm, empty);
        Assert.InRange(await BytesAsync(fixture.Store) - after, 1, 40_000);
        // One part of three.
        byte[] changed = variables.Content.ToArray();
        changed[1_500_000] ^= 1;
        after = await BytesAsync(fixture.Store);
        RestorePoint third = await MakeAsync(repository, variables with { Content = changed });
        Assert.InRange(await BytesAsync(fixture.Store) - after, 1 << 20, (1 << 20) + 60_000);
        RestorePoint fourth = await MakeAsync(repository);

        await AssertAsync(repository, first, variables, tpm, empty);
        await AssertAsync(repository, second, variables, tpm, empty);
        await AssertAsync(repository, third, variables with { Content = changed });
        await AssertAsync(repository, fourth);
        Assert.All(await CheckAsync(repository), r => Assert.Equal(CheckOutcome.Passed, r.Result));
    }

    [Fact]
    public async Task When_points_go_their_attachments_go_and_those_of_the_others_stay()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        ApplianceAttachment kept = Attachment("kept", 1_200_000, 1);
        ApplianceAttachment[] each = [.. Enumerable.Range(0, 5).Select(i => Attachment("each", 1_100_000, 10 + i))];
        var points = new List<RestorePoint>();
        foreach (ApplianceAttachment one in each) points.Add(await MakeAsync(repository, kept, one));
        foreach (int i in (int[])[0, 2, 3]) await repository.RemoveRestorePointAsync(points[i], "a test", default);
        long before = await BytesAsync(fixture.Store);
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        // Of the first one's pack more than half is needed: what is kept lies there, too.
        Assert.InRange(before - await BytesAsync(fixture.Store), 2_100_000, 2_400_000);
        await AssertAsync(repository, points[1], kept, each[1]);
        await AssertAsync(repository, points[4], kept, each[4]);
        RepairReport repair = await repository.RepairAsync(new RepairOptions { Full = true },
            (_, why) => Assert.Fail(why.ToString()), null, default);
        Assert.Equal((RepairOutcome.Whole, 0L), (repair.Outcome, repair.FreedBytes));
    }

    [Theory]
    [InlineData(Fault.CrashBefore)]
    [InlineData(Fault.CrashAfter)]
    [InlineData(Fault.PowerLoss)]
    [InlineData(Fault.FailAfter)]
    public async Task Whatever_operation_a_backup_a_copy_or_an_optimization_dies_at_no_point_loses_one(Fault fault)
    {
        foreach (string work in (string[])["backup", "copy", "reclaim"])
        {
            int operations = await SweepAsync(work, Fault.None, -1);
            for (int at = 0; at < operations; at++) await SweepAsync(work, fault, at);
        }
    }

    private static async Task<int> SweepAsync(string work, Fault fault, int at)
    {
        using var from = new RepositoryFixture { Workers = 1 };
        using var to = new RepositoryFixture { Workers = 1 };
        var states = new Dictionary<string, ApplianceAttachment[]>();
        using (Repository repository = await from.CreateAsync())
        using (Repository destination = await to.CreateAsync())
        {
            for (int i = 0; i < 3; i++)
                states[await MakeIdAsync(repository, Of(i))] = Of(i);
            await repository.RemoveRestorePointAsync((await PointsAsync(repository))[1], "a test", default);
        }
        var faulty = new FaultStore((work == "copy" ? to : from).Store, fault, at);
        try
        {
            using Repository repository = await from.OpenAsync(work == "copy" ? null : faulty);
            using Repository destination = await to.OpenAsync(work == "copy" ? faulty : null);
            if (work == "copy") await CopyAllAsync(repository, destination);
            else if (work == "reclaim") await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            else await MakeAsync(repository, Of(3));
        }
        catch (Exception failure) when (failure is SimulatedCrashException or NataliaException)
        {
        }
        int operations = faulty.Operations;
        string what = $"{work}, {fault} at {at}" + (at >= 0 && at < faulty.Log.Count ? ": " + faulty.Log[at] : "");
        using Repository here = await from.OpenAsync(), there = await to.OpenAsync();
        states[await MakeIdAsync(here, Of(4))] = Of(4);
        if (work == "copy") await CopyAllAsync(here, there);
        await here.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        foreach (Repository repository in (Repository[])[here, there])
        {
            foreach (RestorePoint point in await PointsAsync(repository))
            {
                string id = point.OriginalRestorePointId ?? point.RestorePointId;
                await AssertAsync(repository, point, states.TryGetValue(id, out ApplianceAttachment[]? s) ? s : Of(3));
            }
            CheckResult? failed = (await CheckAsync(repository)).Find(r => r.Result == CheckOutcome.Failed);
            Assert.True(failed is null, $"{what}: {failed?.Detail}");
        }
        if (work == "copy") Assert.Equal(3, (await PointsAsync(there)).Count);
        return operations;

        // One stays, one changes, one is there every other time.
        static ApplianceAttachment[] Of(int i)
        {
            ApplianceAttachment stays = Attachment("stays", 2000, 1), changes = Attachment("changes", 900, 2 + i),
                comes = Attachment("comes", 3000, 12);
            return i % 2 == 0 ? [stays, changes, comes] : [stays, changes];
        }
    }

    [Fact]
    public async Task A_copy_has_them_and_a_kind_of_a_newer_version_stays_what_it_is()
    {
        using var from = new RepositoryFixture { Password = "p" };
        using var to = new RepositoryFixture();
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        ApplianceAttachment one = Attachment("one", 1_500_000, 1);
        RestorePoint point = await MakeAsync(source, one);
        await ChangeManifestAsync(from.Store, source, point, m => m with
        {
            Attachments = [m.Attachments[0] with { Kind = "SealedEnclave" }],
        });
        using Repository again = await from.OpenAsync();
        await CopyAllAsync(again, destination);
        RestorePoint copy = Assert.Single(await PointsAsync(destination));
        Assert.Equal("SealedEnclave", (await ReadManifestAsync(to.Store, destination, copy)).Attachments[0].Kind);
        await AssertAsync(destination, copy, one with { Kind = AttachmentKind.Other });
    }

    [Fact]
    public async Task One_that_is_damaged_is_found_named_and_stored_again()
    {
        using var fixture = new RepositoryFixture();
        ApplianceAttachment one = Attachment("uefi-variables", 1_500_000, 1);
        RestorePoint point;
        using (Repository repository = await fixture.CreateAsync()) point = await MakeAsync(repository, one);
        // The map's root and the configuration lie in the same packs: only bytes of the second part are changed.
        List<StoredObject> packs = await fixture.Store.ListAllAsync(
            $"appliances/{Appliance.ApplianceId}/meta/", default);
        await DamageAsync(fixture.Store, packs.MaxBy(p => p.Length)!.Name);
        using Repository damaged = await fixture.OpenAsync();
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(async () =>
            await (await damaged.OpenPointAsync(point, default)).GetAttachmentsAsync(default));
        Assert.Equal(ErrorIds.ObjectDamaged, error.ErrorId);
        Assert.Equal(CheckOutcome.Failed, (await damaged.VerifyRestorePointAsync(point, null, default)).Result);
        // A point with whole disks is not given up for that.
        Assert.Equal(s_disk, await RestoreAsync(damaged, point));
        RepairReport report = await damaged.RepairAsync(new RepairOptions { Full = true, RemoveLost = true },
            (_, why) => Assert.Fail(why.ToString()), null, default);
        Assert.Contains(report.Findings,
            f => f.Detail is string detail
                && detail.Contains("The attachment 'uefi-variables'", StringComparison.Ordinal)
                && detail.Contains("its disks are whole", StringComparison.Ordinal));
        RestorePoint next = await MakeAsync(damaged, one);
        await AssertAsync(damaged, next, one);
        Assert.Equal(CheckOutcome.Passed, (await damaged.VerifyRestorePointAsync(next, null, default)).Result);
    }

    [Theory]
    [InlineData("a path")]
    [InlineData("a device")]
    [InlineData("two of one name")]
    [InlineData("too few parts")]
    [InlineData("too many parts")]
    [InlineData("too large")]
    [InlineData("too many")]
    public async Task A_manifest_with_impossible_ones_is_damaged_and_harms_no_other_point(string how)
    {
        using var fixture = new RepositoryFixture();
        RestorePoint point, other;
        using (Repository repository = await fixture.CreateAsync())
        {
            other = await MakeAsync(repository);
            point = await MakeAsync(repository, Attachment("one", 1_500_000, 1));
            await ChangeManifestAsync(fixture.Store, repository, point, manifest =>
            {
                ManifestAttachment one = manifest.Attachments[0];
                return manifest with
                {
                    Attachments = how switch
                    {
                        "a path" => [one with { Name = "../../etc/passwd" }],
                        "a device" => [one with { Name = "con.txt" }],
                        "two of one name" => [one, one with { Name = "ONE" }],
                        "too few parts" => [one with { Parts = [one.Parts[0]] }],
                        "too many parts" => [one with { Parts = [.. one.Parts, .. one.Parts] }],
                        "too large" => [one with { SizeBytes = 65 << 20 }],
                        _ => [.. Enumerable.Range(0, 65)
                            .Select(i => one with { Name = $"n{i}", SizeBytes = 0, Parts = [] })],
                    },
                };
            });
        }
        using Repository read = await fixture.OpenAsync();
        var told = new List<NataliaException>();
        IReadOnlyList<RestorePoint> points = await read.GetRestorePointsAsync(new RestorePointFilter(), told.Add,
            default);
        Assert.Equal(ErrorIds.ManifestDamaged, Assert.Single(told).ErrorId);
        Assert.DoesNotContain(points, p => p.RestorePointId == point.RestorePointId && p.IsReadable);
        Assert.Equal(s_disk, await RestoreAsync(read, other));
    }

    [Fact]
    public async Task A_part_of_another_length_than_it_should_have_is_not_taken()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        RestorePoint point = await MakeAsync(repository, Attachment("one", 1_500_000, 1));
        await ChangeManifestAsync(fixture.Store, repository, point, manifest => manifest with
        {
            Attachments = [manifest.Attachments[0] with { Parts = [.. manifest.Attachments[0].Parts.Reverse()] }],
        });
        using Repository read = await fixture.OpenAsync();
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(async () =>
            await (await read.OpenPointAsync(point, default)).GetAttachmentsAsync(default));
        Assert.Equal(ErrorIds.ObjectDamaged, error.ErrorId);
    }

    [Fact]
    public async Task More_than_a_point_can_have_are_refused_before_anything_is_stored()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        foreach (ApplianceAttachment[] wrong in (ApplianceAttachment[][])[
            [Attachment("..", 1, 1)], [Attachment("a", 1, 1), Attachment("A", 1, 1)],
            [new ApplianceAttachment("large", AttachmentKind.Other, new byte[(64 << 20) + 1])]])
            await Assert.ThrowsAsync<ArgumentException>(() => MakeAsync(repository, wrong));
        Assert.Empty(await PointsAsync(repository));
        // As many bytes as there may be.
        await AssertAsync(repository, await MakeAsync(repository, Attachment("all", 64 << 20, 5)),
            Attachment("all", 64 << 20, 5));
    }

    private static ApplianceAttachment Attachment(string name, int bytes, int seed,
        AttachmentKind kind = AttachmentKind.Other)
    {
        byte[] content = new byte[bytes];
        new Random(seed).NextBytes(content);
        return new ApplianceAttachment(name, kind, content);
    }

    private static Task<RestorePoint> MakeAsync(Repository repository, params ApplianceAttachment[] attachments) =>
        repository.BackupAsync(Request(new MemoryDiskSource(s_disk)) with { Attachments = attachments }, null, null,
            default);

    private static async Task<string> MakeIdAsync(Repository repository, params ApplianceAttachment[] attachments) =>
        (await MakeAsync(repository, attachments)).RestorePointId;

    private static async Task AssertAsync(Repository repository, RestorePoint point,
        params ApplianceAttachment[] expected)
    {
        IReadOnlyList<ApplianceAttachment> read =
            await (await repository.OpenPointAsync(point, default)).GetAttachmentsAsync(default);
        Assert.Equal(expected.Select(e => (e.Name, e.Kind)), read.Select(e => (e.Name, e.Kind)));
        foreach ((ApplianceAttachment e, ApplianceAttachment r) in expected.Zip(read))
            Assert.True(e.Content.Span.SequenceEqual(r.Content.Span), $"{e.Name} of {point}");
    }

    private static async Task<long> BytesAsync(IObjectStore store) =>
        (await store.ListAllAsync("appliances/", default)).Sum(o => o.Length);

    private static async Task DamageAsync(IObjectStore store, string name)
    {
        byte[] bytes = await store.ReadAllAsync(name, default);
        bytes[1_300_000] ^= 1;
        await store.DeleteAsync(name, default);
        await store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);
    }

    private static async Task<PointManifest> ReadManifestAsync(IObjectStore store, Repository repository,
        RestorePoint point)
    {
        Run run = RunOf(point);
        return PointManifest.Decode(await store.ReadAllAsync(Layout.Manifest(point.ApplianceId, run), default),
            point.ApplianceId, run, repository.Core.Keys);
    }

    private static async Task ChangeManifestAsync(IObjectStore store, Repository repository, RestorePoint point,
        Func<PointManifest, PointManifest> change)
    {
        PointManifest manifest = await ReadManifestAsync(store, repository, point);
        string name = Layout.Manifest(point.ApplianceId, manifest.Run);
        await store.DeleteAsync(name, default);
        await store.PutAsync(name, change(manifest).Encode(repository.Core.Keys).Content, PutOptions.Metadata, default);
    }

    private static Run RunOf(RestorePoint point) =>
        new(point.Sequence!.Value, Id128.TryParse(point.RestorePointId, out Id128 id) ? id : default);
}
