using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Copy;

/// <summary>Several points are copied under one lease.</summary>
public sealed class CopyLeaseTests
{
    private static async Task FillAsync(Repository source, int points)
    {
        byte[] disk = Disk(1 << 20, 1);
        for (int i = 0; i < points; i++) await BackupAsync(source, disk = Change(disk, 3, i));
    }

    private static bool IsClaim(string operation) =>
        operation.StartsWith("put ", StringComparison.Ordinal) && operation.Contains("/leases/")
        && Layout.TryParseNumber(Layout.FileName(operation), out _);

    [Fact]
    public async Task One_claim_does_for_all_points()
    {
        const int Points = 6;
        using var from = new RepositoryFixture();
        using Repository source = await from.CreateAsync();
        await FillAsync(source, Points);
        var operations = new Dictionary<bool, int>();
        foreach (bool isHeld in new[] { false, true })
        {
            using var to = new RepositoryFixture();
            (await to.CreateAsync()).Dispose();
            var counter = new FaultStore(to.Store);
            using Repository destination = await to.OpenAsync(counter);
            if (isHeld) await CopySteps.CopyAllAsync(source, destination);
            else
            {
                var copier = new PointCopier(source, destination, null);
                foreach (RestorePoint point in (await PointsAsync(source)).OrderBy(p => p))
                    await copier.CopyAsync(point, false, null, default);
            }
            Assert.Equal(Points, (await PointsAsync(destination)).Count);
            Assert.Equal(isHeld ? 1 : Points, counter.Log.Count(IsClaim));
            operations[isHeld] = counter.Operations;
        }
        // List, claim, read back, a look for later ones, its date, end and two deletions fall away; one look whether
        // the lease is still held comes with each point.
        Assert.Equal((Points - 1) * 8 - Points, operations[false] - operations[true]);
    }

    [Fact]
    public async Task Nothing_to_copy_takes_no_lease()
    {
        using RepositoryFixture from = new(), to = new();
        using Repository source = await from.CreateAsync(), first = await to.CreateAsync();
        await FillAsync(source, 2);
        await CopySteps.CopyAllAsync(source, first);
        var counter = new FaultStore(to.Store);
        using Repository second = await to.OpenAsync(counter);
        Assert.All(await CopySteps.CopyAllAsync(source, second), c => Assert.Equal(CopyStatus.AlreadyThere, c.Status));
        Assert.DoesNotContain(counter.Log, IsClaim);
    }

    [Fact]
    public async Task A_backup_is_refused_while_points_are_copied_and_goes_at_once_after()
    {
        using RepositoryFixture from = new(), to = new();
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync(),
            other = await to.OpenAsync();
        await FillAsync(source, 3);
        var copier = new PointCopier(source, destination, null);
        RestorePoint[] points = [.. (await PointsAsync(source)).OrderBy(p => p)];
        IAsyncDisposable held = await copier.HoldAsync(Appliance.ApplianceId, default);
        await copier.CopyAsync(points[0], false, null, default);
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(other, Disk(1 << 20, 9)));
        Assert.Equal(ErrorIds.LeaseHeld, refused.ErrorId);
        await copier.CopyAsync(points[1], false, null, default);
        await held.DisposeAsync();
        await BackupAsync(other, Disk(1 << 20, 9));
        // Without it, each point takes its own again.
        await copier.CopyAsync(points[2], false, null, default);
        await held.DisposeAsync();
        Assert.Equal(4, (await PointsAsync(destination)).Count);
    }

    /// <summary>
    /// The machine slept between two points, and a backup began meanwhile: what it has stored is not taken for what a
    /// dead run left.
    /// </summary>
    [Fact]
    public async Task A_copy_that_lost_its_lease_between_two_points_touches_nothing_of_the_other_run()
    {
        using RepositoryFixture from = new(), to = new(new MemoryStore()) { HasLockDirectory = false };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        await FillAsync(source, 2);
        var copier = new PointCopier(source, destination, null);
        RestorePoint[] points = [.. (await PointsAsync(source)).OrderBy(p => p)];
        IAsyncDisposable held = await copier.HoldAsync(Appliance.ApplianceId, default);
        await copier.CopyAsync(points[0], false, null, default);
        string appliance = Layout.Appliance(Appliance.ApplianceId);
        StoredObject claim = (await to.Store.ListAllAsync(appliance + "leases/", default))[0];
        await to.Store.PutAsync(appliance + "leases/000000000099",
            new ObjectContent(await to.Store.ReadAllAsync(claim.Name, default)), PutOptions.Metadata, default);
        string stored = appliance + "data/000000000099-" + new string('a', 32) + "/00000000";
        await to.Store.PutAsync(stored, new ObjectContent(new byte[100]), PutOptions.Data, default);
        NataliaException lost =
            await Assert.ThrowsAsync<NataliaException>(() => copier.CopyAsync(points[1], false, null, default));
        Assert.Equal(ErrorIds.LeaseLost, lost.ErrorId);
        Assert.NotNull(await to.Store.StatAsync(stored, default));
        Assert.Single(await PointsAsync(destination));
        await held.DisposeAsync();
    }
}
