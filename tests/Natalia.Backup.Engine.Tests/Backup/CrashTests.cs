using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Tests.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Backup;

/// <summary>
/// Whatever operation of the store the process or the machine dies at: what was good stays good, and the next run
/// succeeds at once.
/// </summary>
public sealed class CrashTests
{
    [Theory]
    [InlineData(Fault.CrashBefore)]
    [InlineData(Fault.CrashAfter)]
    [InlineData(Fault.Tear)]
    [InlineData(Fault.PowerLoss)]
    [InlineData(Fault.FailBefore)]
    [InlineData(Fault.FailAfter)]
    [InlineData(Fault.Gone)]
    public async Task A_backup_that_dies_at_any_operation_harms_nothing(Fault fault)
    {
        byte[] one = Disk(9 << 20, 1), two = Change(one, 40, 2), three = Change(two, 10, 3);
        Dictionary<string, byte[]> before;
        using (RepositoryFixture fixture = NewFixture())
        {
            using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, one);
            before = await StoreCopy.TakeAsync(fixture.Store);
        }
        int operations = await RunAsync(Fault.None, -1, before, one, two, three);
        Assert.True(operations > 20, $"{operations} operations");
        for (int at = 0; at < operations; at++) await RunAsync(fault, at, before, one, two, three);
    }

    private static RepositoryFixture NewFixture() => new() { CheckpointBytes = 1 << 20 };

    private static async Task<int> RunAsync(Fault fault, int at, Dictionary<string, byte[]> before, byte[] one,
        byte[] two, byte[] three)
    {
        using RepositoryFixture fixture = NewFixture();
        await StoreCopy.PutBackAsync(fixture.Store, before);

        var faulty = new FaultStore(fixture.Store, fault, at);
        bool made = false;
        using (Repository repository = await fixture.OpenAsync(faulty)
            .ContinueWith(t => t.IsCompletedSuccessfully ? t.Result : null!))
        {
            if (repository is not null)
            {
                try
                {
                    await BackupAsync(repository, two);
                    made = true;
                }
                catch (Exception failure) when (failure is SimulatedCrashException or NataliaException)
                {
                }
            }
        }
        int operations = faulty.Operations;

        string what = $"{fault} at {at}" + (at >= 0 && at < faulty.Log.Count ? ": " + faulty.Log[at] : "");
        using Repository next = await fixture.OpenAsync();
        await CheckAllAsync(next, made, one, two, what);
        try
        {
            await BackupAsync(next, three);
        }
        catch (NataliaException failure)
            when (fault == Fault.Tear && failure.ErrorId == ErrorIds.LeaseHeld && faulty.Log[at].Contains("/leases/"))
        {
            // A store that tears a lease hides who holds it: the next run must wait, and says so.
            return operations;
        }
        catch (NataliaException failure)
        {
            Assert.Fail($"{what}: the next run failed: {failure.Message}");
        }
        IReadOnlyList<RestorePoint> points = await next.GetRestorePointsAsync(new RestorePointFilter(), _ => { },
            default);
        Assert.True(await StateFinder.IsAsync(next, points[0], three), what);
        await CheckAllAsync(next, made, one, two, what, [three]);
        // A torn object under a final name is what no store may leave; where one did, the check must say so, and only
        // that.
        if (fault != Fault.Tear)
        {
            CheckResult? failed = (await CheckAsync(next)).Find(r => r.Result == CheckOutcome.Failed);
            Assert.True(failed is null, $"{what}: {failed?.Detail}");
        }
        return operations;
    }

    private static async Task CheckAllAsync(Repository repository, bool made, byte[] one, byte[] two, string what,
        byte[][]? more = null)
    {
        byte[][] states = [one, two, .. more ?? []];
        var damaged = new List<NataliaException>();
        IReadOnlyList<RestorePoint> points = await repository.GetRestorePointsAsync(new RestorePointFilter(),
            damaged.Add, default);
        Assert.True(points.Count >= (made ? 2 : 1), $"{what}: {points.Count} points");
        foreach (RestorePoint point in points)
            Assert.True(await StateFinder.FindAsync(repository, point, null, states) >= 0,
                $"{what}: the point {point.Sequence} restores to something that never was");
    }

    /// <summary>
    /// The power went before a run's last flush: its delta is there, and a pack that it lists is not. No point is
    /// concerned, so that nothing is said to be lost.
    /// </summary>
    [Fact]
    public async Task What_a_power_cut_took_of_a_run_without_a_point_is_no_damage()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, Disk(1 << 20, 1));
        List<StoredObject> before = await fixture.Store.ListAllAsync("", default);
        var hooked = new HookStore(fixture.Store)
        {
            Before =
                operation =>
                    operation.StartsWith("put ", StringComparison.Ordinal) && operation.Contains("/points/")
                    || operation.StartsWith("delete ", StringComparison.Ordinal) && !operation.Contains("/leases/")
                ? throw new SimulatedCrashException(operation)
                : Task.CompletedTask,
        };
        using (Repository dying = await fixture.OpenAsync(hooked))
            await Assert.ThrowsAnyAsync<SimulatedCrashException>(() => BackupAsync(dying, Disk(1 << 20, 2)));
        StoredObject pack = (await fixture.Store.ListAllAsync("",
            default)).Find(o => o.Name.Contains("/data/") && before.TrueForAll(b => b.Name != o.Name))!;
        await fixture.Store.DeleteAsync(pack.Name, default);
        using Repository next = await fixture.OpenAsync();
        List<CheckResult> told = (await CheckAsync(next)).FindAll(r => r.Result != CheckOutcome.Passed);
        Assert.Equal((CheckOutcome.Warning, pack.Name), (Assert.Single(told).Result, told[0].Target));
        await BackupAsync(next, Disk(1 << 20, 3));
        Assert.All(await CheckAsync(next), r => Assert.Equal(CheckOutcome.Passed, r.Result));
        // The same of a run that made a point is a loss.
        await fixture.Store.DeleteAsync(before.Find(o => o.Name.Contains("/data/"))!.Name, default);
        Assert.Contains(await CheckAsync(next),
            r => r.Result == CheckOutcome.Failed && r.ErrorId == ErrorIds.PackMissing);
    }

    [Fact]
    public async Task A_killed_first_full_is_continued()
    {
        byte[] disk = new byte[60 << 20];
        new Random(5).NextBytes(disk);
        using var fixture = new RepositoryFixture { CheckpointBytes = 8 << 20, Password = "p" };
        (await fixture.CreateAsync()).Dispose();
        var killed = new MemoryDiskSource(disk)
        {
            OnRead = (offset, _) =>
        {
            if (offset >= 50 << 20) throw new SimulatedCrashException("read");
        }
        };
        using (Repository repository = await fixture.OpenAsync())
            await Assert.ThrowsAsync<SimulatedCrashException>(
                () => repository.BackupAsync(Request(killed), null, null, default));
        using Repository next = await fixture.OpenAsync();
        Assert.Empty(await PointsAsync(next));
        RestorePoint point = await BackupAsync(next, disk);
        Assert.InRange(point.StoredBytes!.Value, 1 << 20, 30 << 20);
        Assert.Equal(disk, await RestoreAsync(next, point));
        Assert.DoesNotContain(await CheckAsync(next), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task A_lease_is_refused_with_its_holder_and_taken_over_when_it_ran_out()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock);
        using var here = new RepositoryFixture(store) { Clock = clock, HasLockDirectory = false };
        (await here.CreateAsync()).Dispose();
        var hang = new TaskCompletionSource();
        var entered = new TaskCompletionSource();
        using Repository first = await here.OpenAsync(), second = await here.OpenAsync();
        Task<RestorePoint> running = first.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 1))), async _ =>
        {
            entered.SetResult();
            await hang.Task;
        }, null, default);
        await entered.Task;
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(second, Disk(1 << 20, 2)));
        Assert.Equal(ErrorIds.LeaseHeld, refused.ErrorId);
        Assert.Contains(Environment.MachineName, refused.Message);
        Assert.Contains("since", refused.Message);
        hang.SetResult();
        await running;
        await BackupAsync(second, Disk(1 << 20, 2));
        Assert.Equal(2, (await PointsAsync(second)).Count);
    }

    [Fact]
    public async Task A_holder_that_lost_its_lease_publishes_nothing()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(store) { Clock = clock, HasLockDirectory = false };
        (await fixture.CreateAsync()).Dispose();
        using Repository slow = await fixture.OpenAsync(), other = await fixture.OpenAsync();
        byte[] theirs = Disk(1 << 20, 2);
        NataliaException lost = await Assert.ThrowsAsync<NataliaException>(() => slow.BackupAsync(
            Request(new MemoryDiskSource(Disk(1 << 20, 1))), async _ =>
        {
            // The machine slept: nothing was renewed, and another took over.
            foreach (StoredObject lease in await store.ListAllAsync("appliances/", default))
            {
                if (lease.Name.Contains("/leases/") && lease.Name.EndsWith(".end", StringComparison.Ordinal))
                    await store.DeleteAsync(lease.Name, default);
            }
            await TakeOverAsync(store);
        }, null, default));
        Assert.Equal(ErrorIds.LeaseLost, lost.ErrorId);
        Assert.Empty(await PointsAsync(other));
        Assert.NotNull(theirs);

        static async Task TakeOverAsync(IObjectStore store)
        {
            StoredObject claim = (await store.ListAllAsync("appliances/",
                default)).First(o => o.Name.Contains("/leases/"));
            string next = claim.Name.Substring(0, claim.Name.LastIndexOf('/') + 1) + "000000000099";
            await store.PutAsync(next, new ObjectContent(await store.ReadAllAsync(claim.Name, default)),
                PutOptions.Metadata, default);
        }
    }
}
