using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Leases;

/// <summary>
/// Claims that come late, fail or are stopped, of machines that share the store alone: they touch nothing of the run
/// that has the lease, and nobody waits for what comes to nothing.
/// </summary>
public sealed class LeaseClaimTests
{
    private static readonly string s_leases = Layout.Leases(Appliance.ApplianceId);

    private static string Claim(long epoch) => s_leases + Layout.Number(epoch);

    /// <summary>
    /// While a put hangs, others take the lease, end it and take the next, which deletes what lay under the name: it
    /// is free again.
    /// </summary>
    [Fact]
    public async Task A_claim_that_comes_below_a_later_one_touches_nothing_of_its_run()
    {
        using RepositoryFixture fixture = Elsewhere();
        (await fixture.CreateAsync()).Dispose();
        using Repository other = await fixture.OpenAsync();
        await BackupAsync(other, Disk(1 << 20, 1));
        byte[] theirs = Disk(4 << 20, 2);
        RunningBackup? running = null;
        var late = new HookStore(fixture.Store);
        late.Before = async operation =>
        {
            if (operation != "put " + Claim(2) || running is not null) return;
            await BackupAsync(other, Disk(1 << 20, 3));
            running = await RunningBackup.BeginAsync(other, theirs);
            Assert.Null(await fixture.Store.StatAsync(Claim(2), default));
        };
        using (Repository slow = await fixture.OpenAsync(late))
        {
            NataliaException refused =
                await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(slow, Disk(1 << 20, 4)));
            Assert.Equal(ErrorIds.LeaseHeld, refused.ErrorId);
        }
        // The claim did get there, and was ended.
        Assert.NotNull(await fixture.Store.StatAsync(Claim(2) + ".end", default));
        RestorePoint point = await running!.GoOnAsync();
        Assert.Equal(theirs, await RestoreAsync(other, point));
        Assert.DoesNotContain(await CheckAsync(other), r => r.Result == CheckOutcome.Failed);
        // It stands in nobody's way.
        using Repository next = await fixture.OpenAsync();
        await BackupAsync(next, Disk(1 << 20, 5));
        Assert.Equal(4, (await PointsAsync(next)).Count);
    }

    [Theory]
    [InlineData("not taken, without an answer")]
    [InlineData("taken before, and not to be read once")]
    [InlineData("taken before, and not to be read at all")]
    public async Task A_claim_that_fails_does_not_end_the_lease_of_another(string how)
    {
        using RepositoryFixture fixture = Elsewhere();
        (await fixture.CreateAsync()).Dispose();
        using Repository other = await fixture.OpenAsync();
        RunningBackup? running = null;
        int reads = 0;
        var failing = new HookStore(fixture.Store);
        failing.Before = async operation =>
        {
            if (operation == "put " + Claim(1))
            {
                running ??= await RunningBackup.BeginAsync(other, Disk(1 << 20, 1));
                if (how.StartsWith("not taken", StringComparison.Ordinal)) throw Away();
            }
            else if (operation == "read " + Claim(1) && how.StartsWith("taken", StringComparison.Ordinal)
                && (reads++ == 0 || how.EndsWith("at all", StringComparison.Ordinal)))
            {
                throw Away();
            }
        };
        using (Repository slow = await fixture.OpenAsync(failing))
            Assert.Equal(ErrorIds.StoreUnavailable,
                (await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(slow, Disk(1 << 20, 2)))).ErrorId);
        await RequireHeldAsync(fixture, running!);
        await running!.GoOnAsync();
    }

    /// <summary>The store takes both, and who was first is looked at two seconds later.</summary>
    [Fact]
    public async Task A_claim_that_is_stopped_before_it_is_settled_does_not_end_the_lease_of_another()
    {
        using RepositoryFixture fixture = Elsewhere();
        (await fixture.CreateAsync()).Dispose();
        using Repository other = await fixture.OpenAsync();
        RunningBackup? running = null;
        using var stop = new CancellationTokenSource();
        await StopWhileSettlingAsync(fixture, stop, async () =>
            running = await RunningBackup.BeginAsync(other, Disk(1 << 20, 1)));
        await RequireHeldAsync(fixture, running!);
        await running!.GoOnAsync();
    }

    [Fact]
    public async Task A_claim_that_is_stopped_before_it_is_settled_keeps_nobody_waiting()
    {
        using RepositoryFixture fixture = Elsewhere();
        (await fixture.CreateAsync()).Dispose();
        using var stop = new CancellationTokenSource();
        await StopWhileSettlingAsync(fixture, stop, () => Task.CompletedTask);
        using Repository next = await fixture.OpenAsync();
        Assert.Equal(1, (await BackupAsync(next, Disk(1 << 20, 1))).Sequence);
    }

    [Fact]
    public async Task A_claim_that_was_put_and_got_no_answer_keeps_nobody_waiting()
    {
        using RepositoryFixture fixture = Elsewhere();
        (await fixture.CreateAsync()).Dispose();
        var failing = new HookStore(fixture.Store)
        {
            After = operation => operation == "put " + Claim(1) ? throw Away() : Task.CompletedTask,
        };
        using (Repository slow = await fixture.OpenAsync(failing))
            Assert.Equal(ErrorIds.StoreUnavailable,
                (await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(slow, Disk(1 << 20, 2)))).ErrorId);
        Assert.NotNull(await fixture.Store.StatAsync(Claim(1), default));
        using Repository next = await fixture.OpenAsync();
        Assert.Equal(1, (await BackupAsync(next, Disk(1 << 20, 1))).Sequence);
    }

    /// <summary>The end of a later epoch without a claim is anybody's, and no claim.</summary>
    [Fact]
    public async Task An_end_that_holds_a_claim_takes_no_lease_over()
    {
        using RepositoryFixture fixture = Elsewhere();
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(1 << 20, 1));
        await fixture.Store.PutAsync(Claim(7) + ".end",
            new ObjectContent(await fixture.Store.ReadAllAsync(Claim(1), default)), PutOptions.Metadata, default);
        Assert.Equal(2, (await BackupAsync(repository, Disk(1 << 20, 2))).Sequence);
    }

    /// <summary>
    /// The machine slept, another run has the lease, and the parent was given back meanwhile: that it is missing begins
    /// no new run, which would take what the other one has stored for what a dead one left.
    /// </summary>
    [Fact]
    public async Task A_run_that_lost_its_lease_and_its_parent_touches_nothing_of_the_other_run()
    {
        using RepositoryFixture fixture = Elsewhere();
        using (Repository first = await fixture.CreateAsync()) await BackupAsync(first, Disk(4 << 20, 1));
        string meta = (await fixture.Store.ListAllAsync(Layout.Packs(Appliance.ApplianceId, PackArea.Meta),
            default))[0].Name;
        string stored = Layout.Packs(Appliance.ApplianceId, PackArea.Data) + "000000000099-" + new string('a', 32)
            + "/00000000";
        bool slept = false;
        var hooked = new HookStore(fixture.Store);
        hooked.Before = async operation =>
        {
            if (slept || !operation.EndsWith(" " + meta, StringComparison.Ordinal)) return;
            slept = true;
            await fixture.Store.PutAsync(Claim(99),
                new ObjectContent(await fixture.Store.ReadAllAsync(Claim(2), default)), PutOptions.Metadata, default);
            await fixture.Store.PutAsync(stored, new ObjectContent(new byte[100]), PutOptions.Data, default);
            await fixture.Store.DeleteAsync(meta, default);
        };
        using Repository slow = await fixture.OpenAsync(hooked);
        NataliaException lost =
            await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(slow, Disk(4 << 20, 2)));
        Assert.True(slept);
        Assert.Equal(ErrorIds.LeaseLost, lost.ErrorId);
        Assert.NotNull(await fixture.Store.StatAsync(stored, default));
    }

    /// <summary>A machine sleeps right after it took the lease, and another one has it when it wakes.</summary>
    [Fact]
    public async Task A_run_that_slept_before_it_looked_for_what_dead_ones_left_touches_nothing_of_the_other_run()
    {
        using RepositoryFixture fixture = Elsewhere();
        using (Repository first = await fixture.CreateAsync()) await BackupAsync(first, Disk(1 << 20, 1));
        string room = Layout.Packs(Appliance.ApplianceId, PackArea.Data);
        string stored = room + "000000000099-" + new string('a', 32) + "/00000000";
        bool slept = false;
        var hooked = new HookStore(fixture.Store);
        hooked.Before = async operation =>
        {
            if (slept || !operation.StartsWith("list " + room, StringComparison.Ordinal)) return;
            slept = true;
            await fixture.Store.PutAsync(Claim(99),
                new ObjectContent(await fixture.Store.ReadAllAsync(Claim(2), default)), PutOptions.Metadata, default);
            await fixture.Store.PutAsync(stored, new ObjectContent(new byte[100]), PutOptions.Data, default);
        };
        using Repository slow = await fixture.OpenAsync(hooked);
        NataliaException lost =
            await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(slow, Disk(1 << 20, 2)));
        Assert.True(slept);
        Assert.Equal(ErrorIds.LeaseLost, lost.ErrorId);
        Assert.NotNull(await fixture.Store.StatAsync(stored, default));
    }

    /// <summary>
    /// A renewal fails with what no store should throw: the next ones are made all the same, and the lease is ended.
    /// </summary>
    [Fact]
    public async Task A_renewal_that_fails_unexpectedly_is_tried_again()
    {
        var clock = new CountedWaits();
        using var memory = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(memory) { Clock = clock, HasLockDirectory = false };
        int failed = 0;
        var failing = new HookStore(memory)
        {
            Before = operation =>
                operation == $"put {Claim(1)}.{Layout.Number(1)}" && failed++ == 0
                    ? throw new TimeoutException("The line was gone.")
                    : Task.CompletedTask,
        };
        using Repository repository = await fixture.CreateAsync(failing);
        await repository.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 1))), async _ =>
        {
            for (int i = 0; i < 6; i++)
            {
                Assert.True(await clock.Waits.WaitAsync(TimeSpan.FromSeconds(30)), "Nothing is renewed any more.");
                clock.Advance(CountedWaits.RenewEvery);
            }
            Assert.True(await clock.Waits.WaitAsync(TimeSpan.FromSeconds(30)), "Nothing is renewed any more.");
        }, null, default);
        Assert.Equal(1, failed);
        Assert.Single(await PointsAsync(repository));
        Assert.NotNull(await memory.StatAsync(Claim(1) + ".end", default));
    }

    /// <summary>The store fails so also when the lease is to be ended: the point is there all the same.</summary>
    [Fact]
    public async Task A_lease_that_cannot_be_ended_makes_no_failure_of_a_point()
    {
        using RepositoryFixture fixture = Elsewhere();
        var failing = new HookStore(fixture.Store)
        {
            Before = operation => operation == $"put {Claim(1)}.end"
                ? throw new TimeoutException("The line was gone.")
                : Task.CompletedTask,
        };
        using Repository repository = await fixture.CreateAsync(failing);
        Assert.Equal(1, (await BackupAsync(repository, Disk(1 << 20, 1))).Sequence);
    }

    /// <summary>Nothing but the store tells who is at work.</summary>
    private static RepositoryFixture Elsewhere() => new(new MemoryStore()) { HasLockDirectory = false };

    private static NataliaException Away() =>
        new(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection, "Away, on purpose.");

    private static async Task RequireHeldAsync(RepositoryFixture fixture, RunningBackup running)
    {
        Assert.NotNull(running);
        Assert.Null(await fixture.Store.StatAsync(Claim(1) + ".end", default));
        using Repository third = await fixture.OpenAsync();
        Assert.Equal(ErrorIds.LeaseHeld,
            (await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(third, Disk(1 << 20, 3)))).ErrorId);
    }

    /// <summary>A run that is stopped right after its claim was put, where create is not exclusive.</summary>
    private static async Task StopWhileSettlingAsync(RepositoryFixture fixture, CancellationTokenSource stop,
        Func<Task> before)
    {
        var clock = new CountedWaits();
        using var here = new RepositoryFixture(fixture.Store) { Clock = clock, HasLockDirectory = false };
        var store = new FirstWins(fixture.Store)
        {
            Before = async name =>
            {
                if (name != Claim(1)) return;
                await before();
            },
            After = name =>
            {
                if (name == Claim(1)) stop.Cancel();
            },
        };
        using Repository stopped = await here.OpenAsync(store);
        Task<RestorePoint> run = stopped.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 2))), null, null,
            stop.Token);
        Assert.True(await clock.Waits.WaitAsync(TimeSpan.FromSeconds(30)), "It does not wait.");
        clock.Advance(CountedWaits.Settle);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
    }

    /// <summary>A backup that has stored everything, and waits before it publishes.</summary>
    private sealed class RunningBackup(Task<RestorePoint> run, TaskCompletionSource<bool> goOn)
    {
        internal static async Task<RunningBackup> BeginAsync(Repository repository, byte[] disk)
        {
            TaskCompletionSource<bool> entered = new(), goOn = new();
            Task<RestorePoint> run = repository.BackupAsync(Request(new MemoryDiskSource(disk)), async _ =>
            {
                entered.SetResult(true);
                await goOn.Task;
            }, null, default);
            // A run that fails before is no run at work.
            if (await Task.WhenAny(entered.Task, run) == run) await run;
            return new RunningBackup(run, goOn);
        }

        internal Task<RestorePoint> GoOnAsync()
        {
            goOn.SetResult(true);
            return run;
        }
    }

    /// <summary>Time that stands still, and tells when somebody begins to wait.</summary>
    private sealed class CountedWaits() : FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero))
    {
        internal static readonly TimeSpan RenewEvery = TimeSpan.FromMinutes(2), Settle = TimeSpan.FromSeconds(2);

        internal SemaphoreSlim Waits { get; } = new(0);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            if (dueTime == RenewEvery || dueTime == Settle) Waits.Release();
            return timer;
        }
    }

    /// <summary>Takes every put of one name, as a versioned bucket does, and shows the first.</summary>
    private sealed class FirstWins(IObjectStore inner) : WrappedStore(inner), IObjectStore
    {
        internal Func<string, Task> Before { get; init; } = _ => Task.CompletedTask;
        internal Action<string> After { get; init; } = _ => { };

        bool IObjectStore.HasExclusiveCreate => false;

        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            await Before(name);
            try
            {
                await base.PutAsync(name, content, options, cancellationToken);
            }
            catch (NataliaException second) when (second.ErrorId == ErrorIds.ObjectExists)
            {
            }
            After(name);
        }

        protected override void Dispose(bool disposing) { }
    }
}
