using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Leases;

/// <summary>
/// A lease that was left behind in a store whose clock cannot be relied on: a machine's own steady clock tells that its
/// holder is dead, and never that of a living one.
/// </summary>
public sealed class LeaseClockTests
{
    [Theory]
    [InlineData(24 * 60)]
    [InlineData(0)]
    public async Task One_left_behind_is_taken_over_when_this_machine_saw_no_change_for_its_term(int minutesAhead)
    {
        // The store's clock: a day ahead when the lease was made and set right since, or standing still.
        var stores = new FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0,
            TimeSpan.Zero).AddMinutes(minutesAhead));
        using var memory = new MemoryStore(stores);
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero));
        using var fixture = new RepositoryFixture(memory) { Clock = clock };
        using (Repository dying = await new RepositoryFixture(memory) { Clock = clock }.CreateAsync())
            await LeaveLeaseAsync(memory, dying);
        IObjectStore store = new StampedStore(memory, item => item with
        {
            LastModifiedUtc = item.Name.Contains("probe-")
                ? stores.GetUtcNow().UtcDateTime.AddMinutes(-minutesAhead)
                : item.LastModifiedUtc,
        });

        Assert.Contains("in at most 10 minutes", (await RefusedAsync(fixture, store)).Message);
        clock.Advance(TimeSpan.FromMinutes(4));
        // Another process of this machine, which shares nothing with the first one but its clock and its files.
        Assert.Contains("in at most 6 minutes", (await RefusedAsync(fixture, store)).Message);
        clock.Advance(TimeSpan.FromMinutes(6));
        using Repository late = await fixture.OpenAsync(store);
        Assert.Equal(1, (await BackupAsync(late, Disk(1 << 20, 1))).Sequence);
    }

    [Fact]
    public async Task A_living_holder_is_never_taken_for_a_dead_one()
    {
        var stands = new FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero));
        using var memory = new MemoryStore(stands);
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero));
        using var holder = new RepositoryFixture(memory) { Clock = clock };
        using var other = new RepositoryFixture(memory) { Clock = clock };
        using Repository first = await holder.CreateAsync();
        await first.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 1))), async _ =>
        {
            for (int minutes = 0; minutes < 60; minutes += 3)
            {
                Assert.Equal(ErrorIds.LeaseHeld, (await RefusedAsync(other, memory)).ErrorId);
                int before = await RenewalsAsync(memory);
                clock.Advance(TimeSpan.FromMinutes(3));
                for (int i = 0; i < 500 && await RenewalsAsync(memory) == before; i++) await Task.Yield();
            }
        }, null, default);
        Assert.Single(await PointsAsync(first));
    }

    /// <summary>
    /// A living holder passes over a name that is no claim; so must whoever wants the lease, or both would write.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_living_holder_below_a_claim_that_nobody_can_read_keeps_its_lease(bool ended)
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero));
        using var memory = new MemoryStore(clock);
        using var holder = new RepositoryFixture(memory) { Clock = clock };
        using var other = new RepositoryFixture(memory) { Clock = clock };
        using Repository first = await holder.CreateAsync();
        string junk = Layout.Leases(RepositoryFixture.Appliance.ApplianceId) + Layout.Number(2);
        await first.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 1))), async _ =>
        {
            if (await memory.StatAsync(junk, default) is not null) return;
            await memory.PutAsync(junk, new ObjectContent(new byte[300]), PutOptions.Metadata, default);
            if (ended)
                await memory.PutAsync(junk + ".end", new ObjectContent(new byte[300]), PutOptions.Metadata, default);
            for (int minutes = 0; minutes < 30; minutes += 3)
            {
                Assert.Equal(ErrorIds.LeaseHeld, (await RefusedAsync(other, memory)).ErrorId);
                int before = await RenewalsAsync(memory);
                clock.Advance(TimeSpan.FromMinutes(3));
                for (int i = 0; i < 500 && await RenewalsAsync(memory) == before; i++) await Task.Yield();
            }
        }, null, default);
        Assert.Single(await PointsAsync(first));
        // Its holder has ended it: what nobody can read holds for its term and no longer.
        clock.Advance(TimeSpan.FromMinutes(11));
        using Repository late = await other.OpenAsync(new KeptStore(memory));
        Assert.Equal(2, (await BackupAsync(late, Disk(1 << 20, 2))).Sequence);
    }

    /// <summary>
    /// Others count from when the store took a renewal: so must the holder, however late the answer comes.
    /// </summary>
    [Fact]
    public async Task A_renewal_counts_from_when_it_was_asked_for()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero));
        using var memory = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(memory) { Clock = clock };
        var late = new LateAnswers(memory);
        using Repository repository = await fixture.CreateAsync(late);
        NataliaException lost = await Assert.ThrowsAsync<NataliaException>(() => repository.BackupAsync(
            Request(new MemoryDiskSource(Disk(1 << 20, 1))), async _ =>
        {
            clock.Advance(TimeSpan.FromMinutes(2));
            await late.Taken.Task;
            clock.Advance(TimeSpan.FromMinutes(9));
            late.Answer.SetResult(true);
            // The holder knows of it when it goes on to the next one.
            await late.Answered.Task;
        }, null, default));
        Assert.Equal(ErrorIds.LeaseLost, lost.ErrorId);
        Assert.Empty(
            await memory.ListAllAsync($"appliances/{RepositoryFixture.Appliance.ApplianceId}/points/", default));
    }

    private static async Task<int> RenewalsAsync(IObjectStore store) =>
        (await store.ListAllAsync(Layout.Leases(RepositoryFixture.Appliance.ApplianceId), default))
            .Select(o => o.Name.Split('.'))
            .Where(p => p.Length == 2).Select(p => int.TryParse(p[1], out int n) ? n : 0).DefaultIfEmpty(0).Max();

    private static async Task<NataliaException> RefusedAsync(RepositoryFixture fixture, IObjectStore store)
    {
        using Repository late = await fixture.OpenAsync(new KeptStore(store));
        return await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(late, Disk(1 << 20, 1)));
    }

    /// <summary>A run elsewhere that is killed: its claim stays, and nobody ends it.</summary>
    private static async Task LeaveLeaseAsync(IObjectStore store, Repository repository)
    {
        byte[]? claim = null;
        string name = "";
        await repository.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 1))), async _ =>
        {
            StoredObject found = (await store.ListAllAsync(Layout.Leases(RepositoryFixture.Appliance.ApplianceId),
                default)).Single();
            (name, claim) = (found.Name, await store.ReadAllAsync(found.Name, default));
        }, null, default);
        foreach (StoredObject item in await store.ListAllAsync("appliances/", default))
            await store.DeleteAsync(item.Name, default);
        await store.PutAsync(name, new ObjectContent(claim!), PutOptions.Metadata, default);
    }

    /// <summary>Takes the first renewal at once, and answers when it is told to.</summary>
    private sealed class LateAnswers(IObjectStore inner) : WrappedStore(inner)
    {
        internal TaskCompletionSource<bool> Taken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        internal TaskCompletionSource<bool> Answer { get; } = new();
        internal TaskCompletionSource<bool> Answered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            await base.PutAsync(name, content, options, cancellationToken);
            if (!name.EndsWith("/" + Layout.Number(1) + "." + Layout.Number(1), StringComparison.Ordinal)) return;
            Taken.TrySetResult(true);
            await Answer.Task;
            Answered.TrySetResult(true);
        }

        protected override void Dispose(bool disposing) { }
    }

    private sealed class KeptStore(IObjectStore inner) : WrappedStore(inner)
    {
        protected override void Dispose(bool disposing) { }
    }

    /// <summary>A store that stamps what it likes.</summary>
    private sealed class StampedStore(IObjectStore inner, Func<StoredObject, StoredObject> stamp) : WrappedStore(inner)
    {
        public override async Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
            await base.StatAsync(name, cancellationToken) is StoredObject found ? stamp(found) : null;

        protected override void Dispose(bool disposing) { }
    }
}
