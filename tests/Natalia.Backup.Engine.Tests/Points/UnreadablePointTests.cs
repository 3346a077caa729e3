using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Points;

/// <summary>
/// A point whose manifest is damaged: what the log tells of it is shown, and nothing else is made of it.
/// </summary>
public sealed class UnreadablePointTests
{
    private static readonly DateTime s_first = new(2026, 11, 20, 6, 0, 0, DateTimeKind.Utc);

    [Fact]
    public async Task It_is_listed_with_what_the_log_tells_only_for_who_asks()
    {
        using var fixture = new RepositoryFixture();
        RestorePoint[] made = await MakeAsync(fixture, 3);
        await DamageAsync(fixture, made[1]);
        using Repository repository = await fixture.OpenAsync();
        var damage = new List<NataliaException>();

        IReadOnlyList<RestorePoint> all =
            await repository.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true },
            damage.Add, default);
        Assert.Equal(made.Select(p => p.RestorePointId).Reverse(), all.Select(p => p.RestorePointId));
        RestorePoint found = all[1];
        Assert.False(found.IsReadable);
        Assert.Equal(VerificationState.Failed, found.Verification);
        Assert.Equal((made[1].TimeUtc, made[1].Sequence, made[1].Type, made[1].ApplianceName, made[1].StoredBytes),
            (found.TimeUtc, found.Sequence, found.Type, found.ApplianceName, found.StoredBytes));
        Assert.Empty(found.Disks);
        Assert.Null(found.SizeBytes);
        Assert.All([all[0], all[2]], p => Assert.True(p.IsReadable));

        NataliaException told = Assert.Single(damage);
        Assert.Equal((ErrorIds.ManifestDamaged, made[1].RestorePointId), (told.ErrorId, told.Target));
        Assert.Contains("natalia-paris 2026-11-20 07:00:00Z", told.Message);
        Assert.Contains(made[1].RestorePointId, told.Message);
        Assert.Contains("Repair-NataliaRepository", told.RecommendedAction);

        var around = new RestorePointFilter
        {
            IncludeUnreadable = true,
            AfterUtc = s_first.AddMinutes(30),
            BeforeUtc = s_first.AddMinutes(90),
        };
        Assert.Equal(found.RestorePointId,
            Assert.Single(await repository.GetRestorePointsAsync(around, _ => { }, default)).RestorePointId);
        Assert.Empty(await repository.GetRestorePointsAsync(around with { AfterUtc = s_first.AddMinutes(70) }, _ => { },
            default));
        Assert.Equal(2, (await repository.GetRestorePointsAsync(new RestorePointFilter(), _ => { }, default)).Count);
        await Assert.ThrowsAsync<NataliaException>(() => PointsAsync(repository));
    }

    [Fact]
    public async Task It_is_neither_restored_nor_removed_nor_protected_and_says_why()
    {
        using var fixture = new RepositoryFixture();
        RestorePoint[] made = await MakeAsync(fixture, 3);
        await DamageAsync(fixture, made[1]);
        using Repository repository = await fixture.OpenAsync();
        RestorePoint found = await FindAsync(repository);

        foreach (Func<Task> use in new Func<Task>[] { () => RestoreAsync(repository,
            found), () => repository.RemoveRestorePointAsync(found, "t", default),
            () => repository.SetProtectionAsync(found, true, "t", default),
            async () => await (await repository.OpenPointAsync(found, default)).GetConfigurationAsync(default) })
            Assert.Equal(ErrorIds.ManifestDamaged, (await Assert.ThrowsAsync<NataliaException>(use)).ErrorId);
        NataliaException? refusal = await repository.FindRemovalRefusalAsync(found, default);
        Assert.Equal(ErrorIds.ManifestDamaged, refusal?.ErrorId);
        Assert.Contains("was not removed", refusal?.Message);
        CheckResult verified = await repository.VerifyRestorePointAsync(found, null, default);
        Assert.Equal((CheckOutcome.Failed, ErrorIds.ManifestDamaged), (verified.Result, verified.ErrorId));
        Assert.Equal(3,
            (await repository.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true }, _ => { },
                default)).Count);
    }

    [Fact]
    public async Task The_newest_readable_point_stays_although_a_newer_one_is_listed()
    {
        using var fixture = new RepositoryFixture();
        RestorePoint[] made = await MakeAsync(fixture, 3);
        await DamageAsync(fixture, made[2]);
        using Repository repository = await fixture.OpenAsync();

        Assert.Equal(ErrorIds.RestorePointIsNewest,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(made[1], "t", default))).ErrorId);
        Assert.False(RetentionPoint.From(await FindAsync(repository)).IsGood);
    }

    [Fact]
    public async Task Without_a_record_of_its_making_it_is_told_and_not_listed()
    {
        using var fixture = new RepositoryFixture();
        RestorePoint[] made = await MakeAsync(fixture, 2);
        await DamageAsync(fixture, made[0]);
        foreach (StoredObject record in (await fixture.Store.ListAllAsync("appliances/",
            default)).FindAll(o => o.Name.Contains("/log/") && o.Name.Contains("point-made")))
            await fixture.Store.DeleteAsync(record.Name, default);
        using Repository repository = await fixture.OpenAsync();
        var damage = new List<NataliaException>();

        IReadOnlyList<RestorePoint> all =
            await repository.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true },
            damage.Add, default);
        Assert.Equal([made[1].RestorePointId], all.Select(p => p.RestorePointId));
        Assert.Contains(made[0].RestorePointId, Assert.Single(damage).Message);
    }

    [Fact]
    public async Task Once_it_was_removed_nobody_hears_of_it()
    {
        using var fixture = new RepositoryFixture();
        RestorePoint[] made = await MakeAsync(fixture, 3);
        using (Repository repository = await fixture.OpenAsync())
            await repository.RemoveRestorePointAsync(made[0], "t", default);
        await DamageAsync(fixture, made[0]);
        using Repository again = await fixture.OpenAsync();

        Assert.Equal(2,
            (await again.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true },
                e => Assert.Fail(e.Message), default)).Count);
    }

    private static async Task<RestorePoint[]> MakeAsync(RepositoryFixture fixture, int count)
    {
        var made = new RestorePoint[count];
        using Repository repository = await fixture.CreateAsync();
        for (int i = 0; i < count; i++)
            made[i] = await BackupAsync(repository, Disk(100_000, i), time: s_first.AddHours(i));
        return made;
    }

    private static async Task<RestorePoint> FindAsync(Repository repository) =>
        (await repository.GetRestorePointsAsync(new RestorePointFilter { IncludeUnreadable = true }, _ => { },
            default)).Single(p => !p.IsReadable);

    private static async Task DamageAsync(RepositoryFixture fixture, RestorePoint point)
    {
        StoredObject manifest = (await fixture.Store.ListAllAsync("appliances/",
            default)).Single(
                o => o.Name.Contains("/points/") && o.Name.EndsWith(point.RestorePointId, StringComparison.Ordinal));
        byte[] bytes = await fixture.Store.ReadAllAsync(manifest.Name, default);
        bytes[bytes.Length / 2] ^= 1;
        await fixture.Store.DeleteAsync(manifest.Name, default);
        await fixture.Store.PutAsync(manifest.Name, new ObjectContent(bytes), PutOptions.Metadata, default);
    }
}
