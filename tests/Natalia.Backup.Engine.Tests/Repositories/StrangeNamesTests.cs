using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>
/// Who can write to a store can put any name there, and needs no password for it. What nothing confirms sets no number,
/// hides nothing, and is told once.
/// </summary>
public sealed class StrangeNamesTests
{
    private const string Highest = "999999999999";

    private static string Id => RepositoryFixture.Appliance.ApplianceId;

    private static string Room => Layout.Appliance(Id);

    [Theory]
    [InlineData(null, 0)]
    [InlineData("secret", 0)]
    [InlineData(null, 900)]
    [InlineData("secret", 900)]
    public async Task A_manifest_that_is_none_sets_no_number_and_is_no_parent(string? password, int bytes)
    {
        using var fixture = new RepositoryFixture { Password = password };
        byte[] disk = Disk(2 << 20, 1);
        (await fixture.CreateAsync()).Dispose();
        await PutAsync(fixture, $"{Room}points/{Highest}-{new string('a', 32)}", bytes);
        await PutAsync(fixture, $"{Room}points/000000000001-{new string('b', 32)}", bytes);
        for (int i = 0; i < 3; i++)
        {
            using Repository repository = await fixture.OpenAsync();
            RestorePoint point = await BackupAsync(repository, Change(disk, i, i));
            Assert.Equal((i + 1, (string?)null), (point.Sequence, point.Reason));
            // What did not change is not stored again.
            if (i > 0) Assert.InRange(point.StoredBytes!.Value, 1, 400_000);
        }
        using Repository look = await fixture.OpenAsync();
        var told = new List<NataliaException>();
        var missing = new List<MissingPoints>();
        IReadOnlyList<RestorePoint> points =
            await look.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true },
            told.Add, missing.Add, default);
        Assert.Equal([3L, 2, 1], points.Select(p => p.Sequence!.Value));
        Assert.Equal(ErrorIds.ManifestUnknown, Assert.Single(told).ErrorId);
        Assert.Contains("2 objects", told[0].Message);
        Assert.Empty(missing);
        Assert.Equal(Change(disk, 2, 2), await RestoreAsync(look, points[0]));
        Assert.Null((await look.ReclaimAsync(Id, TimeSpan.Zero, default)).Reason);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("secret")]
    public async Task A_delta_without_a_seal_and_a_record_without_a_signature_set_no_number(string? password)
    {
        using var fixture = new RepositoryFixture { Password = password };
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(1 << 20, 1));
        Run forged = new(999_999_999_998, Id128.NewRandom());
        byte[] delta = new RunDelta(Id, forged, null, []).Encode(new Dictionary<string, Packs.DeadList>(),
            Sealing.ObjectKeys.None).Bytes;
        await fixture.Store.PutAsync(Layout.Delta(Id, forged), new ObjectContent(delta), PutOptions.Metadata, default);
        await PutAsync(fixture, $"{Room}log/{Highest}.point-made.{Highest}.{new string('c', 32)}", 500);
        Assert.Equal(2, (await BackupAsync(repository, Disk(1 << 20, 2))).Sequence);
        Assert.Equal(3, (await BackupAsync(repository, Disk(1 << 20, 3))).Sequence);
    }

    /// <summary>
    /// A name alone must not keep space, and much less give it back: the manifest may be away for a moment.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(700)]
    public async Task A_removal_that_nobody_signed_frees_nothing_of_a_point_whose_manifest_is_away(int bytes)
    {
        using var fixture = new RepositoryFixture();
        byte[] disk = Disk(2 << 20, 1);
        using Repository repository = await fixture.CreateAsync();
        RestorePoint first = await BackupAsync(repository, disk);
        for (int i = 2; i < 4; i++) await BackupAsync(repository, Disk(2 << 20, i));
        Assert.Null((await repository.ReclaimAsync(Id, TimeSpan.Zero, default)).Reason);
        string manifest = (await fixture.Store.ListAllAsync($"{Room}points/", default))[0].Name;
        byte[] away = await fixture.Store.ReadAllAsync(manifest, default);
        await fixture.Store.DeleteAsync(manifest, default);
        await PutAsync(fixture, $"{Room}log/{Layout.Number(4)}.point-removed.{Layout.Number(1)}.{new string('c', 32)}",
            bytes);
        using (Repository another = await fixture.OpenAsync())
        {
            ReclaimResult result = await another.ReclaimAsync(Id, TimeSpan.Zero, default);
            Assert.Equal((0L, 0), (result.FreedBytes, result.DeletedPacks));
            Assert.Contains("missing", result.Reason);
        }
        await fixture.Store.PutAsync(manifest, new ObjectContent(away), PutOptions.Metadata, default);
        using Repository back = await fixture.OpenAsync();
        Assert.Equal(disk, await RestoreAsync(back, first));
    }

    /// <summary>A number that a record has already, the one that comes next, and one above a gap.</summary>
    [Theory]
    [InlineData("000000000002")]
    [InlineData("000000000005")]
    [InlineData(Highest)]
    public async Task A_removal_that_nobody_signed_hides_no_point_whose_manifest_is_gone(string number)
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
        {
            var points = new List<RestorePoint>();
            for (int i = 1; i < 4; i++) points.Add(await BackupAsync(repository, Disk(1 << 20, i)));
            await repository.RemoveRestorePointAsync(points[0], "trial", default);
        }
        Assert.Empty(await MissingAsync());
        string[] manifests = [.. (await fixture.Store.ListAllAsync($"{Room}points/", default)).Select(o => o.Name)];
        await fixture.Store.DeleteAsync(manifests.Single(m => m.Contains("/" + Layout.Number(2) + "-",
            StringComparison.Ordinal)), default);
        await PutAsync(fixture, $"{Room}log/{number}.point-removed.{Layout.Number(2)}.{new string('c', 32)}", 700);
        Assert.Equal(1, Assert.Single(await MissingAsync()).Count);

        async Task<List<MissingPoints>> MissingAsync()
        {
            var missing = new List<MissingPoints>();
            using Repository look = await fixture.OpenAsync();
            await look.GetRestorePointsAsync(new RestorePointFilter(), null, missing.Add, default);
            return missing;
        }
    }

    [Fact]
    public async Task A_record_that_is_put_back_as_it_was_counts_in_the_same_session()
    {
        using var files = new TemporaryFolder();
        using var fixture = new RepositoryFixture(FolderStore.Open(files.Path, create: true));
        using Repository repository = await fixture.CreateAsync();
        RestorePoint point = await BackupAsync(repository, Disk(1 << 20, 1));
        await BackupAsync(repository, Disk(1 << 20, 2));
        await repository.RemoveRestorePointAsync(point, "trial", default);
        string name = (await fixture.Store.ListAllAsync($"{Room}log/", default)).Single(o =>
            o.Name.Contains(".point-removed.")).Name;
        string path = Path.Combine(files.Path, name);
        byte[] whole = File.ReadAllBytes(path), rotten = (byte[])whole.Clone();
        rotten[whole.Length / 2] ^= 1;
        DateTime when = File.GetLastWriteTimeUtc(path);
        using Repository session = await fixture.OpenAsync(FolderStore.Open(files.Path, create: true));
        File.WriteAllBytes(path, rotten);
        File.SetLastWriteTimeUtc(path, when);
        Assert.Equal(2, (await PointsAsync(session)).Count);
        // What a tool of backup or of synchronization puts back has the length and the time that it had.
        File.WriteAllBytes(path, whole);
        File.SetLastWriteTimeUtc(path, when);
        Assert.Single(await PointsAsync(session));
    }

    [Theory]
    [InlineData(null, "point-made", 0)]
    [InlineData("secret", "point-removed", 700)]
    [InlineData(null, "retention-set", 700)]
    [InlineData("secret", "damage-found", 0)]
    public async Task What_is_said_behind_a_record_that_is_none_has_its_effect(string? password, string what, int bytes)
    {
        using var fixture = new RepositoryFixture { Password = password };
        byte[] disk = Disk(1 << 20, 1);
        (await fixture.CreateAsync()).Dispose();
        foreach (string log in new[] { "log/", Room + "log/" })
            await PutAsync(fixture, $"{log}{Highest}.{what}.000000000000.{new string('d', 32)}", bytes);
        using (Repository repository = await fixture.OpenAsync())
        {
            for (int i = 0; i < 4; i++) await BackupAsync(repository, Change(disk, i, i));
            IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
            await repository.SetProtectionAsync(points[2], true, "keep", default);
            await repository.RemoveRestorePointAsync(points[1], "go", default);
            await repository.SetRetentionPolicyAsync(Id, "natalia-paris", new RetentionPolicy { Last = 7 }, default);
            await repository.SetRetentionPolicyAsync(null, null, new RetentionPolicy { Daily = 5 }, default);
        }
        using Repository look = await fixture.OpenAsync();
        IReadOnlyList<RestorePoint> left = await PointsAsync(look);
        Assert.Equal([(4L, false), (2, true), (1, false)], left.Select(p => (p.Sequence!.Value, p.IsProtected)));
        Assert.Equal(["daily 5", "last 7"],
            (await look.GetRetentionPoliciesAsync(default)).Select(p => p.Policy.ToString().Split(" (")[0]).Order());
        // Nothing of it broke the chain but the strangers themselves, and when they are gone, nothing is left of them.
        foreach (string log in new[] { "log/", Room + "log/" })
            await fixture.Store.DeleteAsync($"{log}{Highest}.{what}.000000000000.{new string('d', 32)}", default);
        Assert.All(await look.VerifyAuditAsync(new AuditExpectations(), default),
            r => Assert.NotEqual(CheckOutcome.Failed, r.Result));
    }

    [Fact]
    public async Task A_policy_that_is_set_beside_a_name_that_nobody_can_read_counts()
    {
        using var fixture = new RepositoryFixture { Password = "secret" };
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(1 << 20, 1));
        long next = (await fixture.Store.ListAllAsync(Layout.Log(Id), default)).Count + 1;
        await PutAsync(fixture, AuditName.Format(Layout.Log(Id), next, "retention-set", 0, Id128.NewRandom()), 0);
        Assert.NotNull(Assert.Single(await repository.GetRetentionPoliciesAsync(default)).Damage);
        await repository.SetRetentionPolicyAsync(Id, "natalia-paris", new RetentionPolicy { Last = 3 }, default);
        Assert.Equal((3, null),
            (await repository.GetRetentionPoliciesAsync(default)).Select(p => (p.Policy.Last, p.Damage)).Single());
        // Two in a row: what has no effect is no success.
        for (int i = 1; i < 4; i++)
            await PutAsync(fixture,
                AuditName.Format(Layout.Log(Id), next + i, "retention-set", 0, Id128.NewRandom()), 0);
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(
                () => repository.SetRetentionPolicyAsync(Id, "natalia-paris", new RetentionPolicy { Last = 4 },
                    default));
        Assert.Equal(ErrorIds.RetentionPolicyDamaged, refused.ErrorId);
    }

    [Fact]
    public async Task A_record_of_another_appliance_has_no_effect_here()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(1 << 20, 1));
        string other = ApplianceIdentity.Create("Folder", "", "another");
        await repository.SetRetentionPolicyAsync(other, "other", new RetentionPolicy { Last = 1 }, default);
        await repository.SetRetentionPolicyAsync(other, "other", new RetentionPolicy { Last = 2 }, default);
        StoredObject genuine = (await fixture.Store.ListAllAsync(Layout.Log(other), default))[1];
        await fixture.Store.PutAsync(Layout.Log(Id) + Layout.FileName(genuine.Name),
            new ObjectContent(await fixture.Store.ReadAllAsync(genuine.Name, default)), PutOptions.Metadata, default);
        using Repository look = await fixture.OpenAsync();
        Assert.NotEqual(2,
            (await look.GetRetentionPoliciesAsync(default)).Single(p => p.ApplianceId == Id).Policy.Last);
    }

    [Fact]
    public async Task Where_no_number_is_left_nothing_is_stored()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
        {
            RestorePoint point = await BackupAsync(repository, Disk(1 << 20, 1));
            // Genuine, as far as an unencrypted repository can tell.
            var reader = new ManifestReader(repository.Core);
            Run run = Assert.Single(await reader.ListAsync(Id, default)),
                last = new(Layout.HighestNumber, Id128.NewRandom());
            PointManifest forged = await reader.ReadAsync(Id, run, default) with { Run = last };
            await fixture.Store.PutAsync(Layout.Manifest(Id, last), forged.Encode(Sealing.ObjectKeys.None).Content,
                PutOptions.Metadata, default);
        }
        using Repository next = await fixture.OpenAsync();
        string[] before = await NamesAsync(fixture);
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(next, Disk(1 << 20, 2)));
        Assert.Equal(ErrorIds.NumberExhausted, refused.ErrorId);
        Assert.Equal(before, await NamesAsync(fixture));
    }

    [Fact]
    public async Task Thousands_of_manifests_that_are_none_are_told_once_and_are_no_lost_points()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
            for (int i = 0; i < 3; i++) await BackupAsync(repository, Disk(1 << 20, i));
        for (int i = 0; i < 3_000; i++)
            await PutAsync(fixture, $"{Room}points/{new Run(500 + i, Id128.NewRandom())}", i % 5 == 0 ? 600 : 0);
        using Repository look = await fixture.OpenAsync();
        var told = new List<NataliaException>();
        Assert.Equal(3,
            (await look.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true }, told.Add,
                default)).Count);
        Assert.Contains("3000 objects", Assert.Single(told).Message);
        Assert.Equal(3, (await PointsAsync(look)).Count);
        CheckResult check = Assert.Single(await CheckAsync(look), r => r.Result == CheckOutcome.Failed);
        Assert.Contains("3000 objects", check.Detail);
        RepairReport report = await look.RepairAsync(new RepairOptions(), (_, failure) => throw failure, null, default);
        Assert.Equal((3, 0), (report.WholePoints, report.LostPoints));
        Assert.Contains("3000 objects",
            Assert.Single(report.Findings, f => f.Kind == RepairFindingKind.ManifestDamaged).Detail);
        Assert.Equal(4, (await BackupAsync(look, Disk(1 << 20, 9))).Sequence);
    }

    [Fact]
    public async Task A_revision_that_is_none_does_not_hide_the_whole_one()
    {
        using var fixture = new RepositoryFixture();
        byte[] disk = Disk(2 << 20, 1);
        RestorePoint point;
        using (Repository repository = await fixture.CreateAsync()) point = await BackupAsync(repository, disk);
        foreach (string area in new[] { "data/", "meta/" })
        {
            StoredObject pack = (await fixture.Store.ListAllAsync(Room + area, default))[0];
            byte[] whole = await fixture.Store.ReadAllAsync(pack.Name, default);
            await fixture.Store.DeleteAsync(pack.Name, default);
            await fixture.Store.PutAsync(pack.Name + ".r1", new ObjectContent(whole), PutOptions.Metadata, default);
            await PutAsync(fixture, pack.Name + ".r2147483647", 0);
            await PutAsync(fixture, pack.Name + ".r99999999999", 10);
            // Begins like the pack, and broke off; in its right length, but not what was written.
            await fixture.Store.PutAsync(pack.Name + ".r7", new ObjectContent(whole.AsMemory(0, whole.Length - 100)),
                PutOptions.Metadata, default);
            byte[] rotten = (byte[])whole.Clone();
            rotten[^100] ^= 1;
            await fixture.Store.PutAsync(pack.Name + ".r9", new ObjectContent(rotten), PutOptions.Metadata, default);
        }
        using Repository look = await fixture.OpenAsync();
        Assert.Equal(disk, await RestoreAsync(look, point));
        Assert.Equal(CheckOutcome.Passed, (await look.VerifyRestorePointAsync(point, null, default)).Result);
        // Space is given back around them, and what is whole stays.
        byte[] second = Disk(2 << 20, 2);
        RestorePoint next = await BackupAsync(look, second);
        await look.RemoveRestorePointAsync(point, "old", default);
        await look.ReclaimAsync(Id, TimeSpan.Zero, default);
        Assert.Equal(second, await RestoreAsync(look, next));
    }

    [Fact]
    public async Task A_lease_that_is_none_holds_nobody_up()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        await PutAsync(fixture, $"{Room}leases/{Highest}", 0);
        await PutAsync(fixture, $"{Room}leases/{Highest}.000000000001", 300);
        await PutAsync(fixture, $"{Room}leases/999999999998.end", 0);
        Assert.Equal(1, (await BackupAsync(repository, Disk(1 << 20, 1))).Sequence);
        Assert.Equal(2, (await BackupAsync(repository, Disk(1 << 20, 2))).Sequence);
        Assert.DoesNotContain(await fixture.Store.ListAllAsync(Room + "leases/", default),
            o => Layout.FileName(o.Name).Split('.')[0].Length != 12);
    }

    private static async Task PutAsync(RepositoryFixture fixture, string name, int bytes)
    {
        var junk = new byte[bytes];
        new Random(bytes).NextBytes(junk);
        await fixture.Store.PutAsync(name, new ObjectContent(junk), PutOptions.Metadata, default);
    }

    private static async Task<string[]> NamesAsync(RepositoryFixture fixture) =>
        [.. (await fixture.Store.ListAllAsync("", default)).Select(o => o.Name).Where(n => !n.Contains("/leases/"))];
}
