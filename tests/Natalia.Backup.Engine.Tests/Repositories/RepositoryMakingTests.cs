using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>Two who make a repository in the same place at once, and makings that die.</summary>
public sealed class RepositoryMakingTests
{
    private const string PutSettings = "put natalia.json";

    /// <summary>The store takes the settings of both, and the first ones count, as in a versioned bucket.</summary>
    [Fact]
    public async Task Of_two_who_are_both_told_that_they_made_it_the_second_finds_out()
    {
        var clock = new CountedWaits();
        using var memory = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(memory) { Clock = clock, Password = "correct horse" };
        var hooked = new HookStore(memory);
        hooked.Before = async operation =>
        {
            if (operation == PutSettings) (await fixture.CreateAsync()).Dispose();
        };
        Task<Repository> second = fixture.CreateAsync(new FirstWins(hooked));
        Assert.True(await clock.Waits.WaitAsync(TimeSpan.FromSeconds(30)), "It does not wait.");
        clock.Advance(CountedWaits.Settle);
        Assert.Equal(ErrorIds.RepositoryExists,
            (await Assert.ThrowsAsync<NataliaException>(() => second)).ErrorId);
        await RequireWholeAsync(fixture);
    }

    [Fact]
    public async Task The_first_one_is_told_so_where_create_is_not_exclusive()
    {
        var clock = new CountedWaits();
        using var memory = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(memory) { Clock = clock };
        Task<Repository> making = fixture.CreateAsync(new FirstWins(memory));
        Assert.True(await clock.Waits.WaitAsync(TimeSpan.FromSeconds(30)), "It does not wait.");
        clock.Advance(CountedWaits.Settle);
        (await making).Dispose();
        await RequireWholeAsync(fixture);
    }

    /// <summary>What the other one has begun with looks like a leftover, and a deletion may arrive late.</summary>
    [Fact]
    public async Task Who_finds_the_beginning_of_another_one_takes_nothing_away_from_it()
    {
        using var fixture = new RepositoryFixture();
        TaskCompletionSource<bool> begun = new(), goOn = new();
        var ahead = new HookStore(fixture.Store)
        {
            Before = operation =>
            {
                if (operation != PutSettings) return Task.CompletedTask;
                begun.SetResult(true);
                return goOn.Task;
            },
        };
        Task<Repository> first = fixture.CreateAsync(ahead);
        await begun.Task;
        var behind = new HookStore(fixture.Store)
        {
            Before = async operation =>
            {
                if (operation != PutSettings && !operation.StartsWith("delete ", StringComparison.Ordinal)) return;
                goOn.TrySetResult(true);
                await first;
            },
        };
        Assert.Equal(ErrorIds.RepositoryExists,
            (await Assert.ThrowsAsync<NataliaException>(() => fixture.CreateAsync(behind))).ErrorId);
        (await first).Dispose();
        await RequireWholeAsync(fixture);
    }

    /// <summary>One making died, and the next one at any of its steps: a repository comes of it all the same.</summary>
    [Fact]
    public async Task A_making_that_dies_hinders_no_later_one()
    {
        bool wasMade = false;
        for (int at = 0; !wasMade; at++)
        {
            using var fixture = new RepositoryFixture();
            var dying = new HookStore(fixture.Store)
            {
                Before = operation => operation == PutSettings
                    ? throw new SimulatedCrashException(operation)
                    : Task.CompletedTask,
            };
            await Assert.ThrowsAsync<SimulatedCrashException>(() => fixture.CreateAsync(dying));
            try
            {
                (await fixture.CreateAsync(new FaultStore(fixture.Store, Fault.CrashBefore, at))).Dispose();
                wasMade = true;
            }
            catch (SimulatedCrashException)
            {
            }
            // Who dies right after the settings were put leaves what was there before.
            bool isClean = wasMade;
            if (await fixture.Store.StatAsync("natalia.json", default) is null)
            {
                (await fixture.CreateAsync()).Dispose();
                isClean = true;
            }
            using Repository repository = await fixture.OpenAsync();
            byte[] disk = Disk(1 << 18, 1);
            Assert.Equal(disk, await RestoreAsync(repository, await BackupAsync(repository, disk)));
            if (isClean) Assert.DoesNotContain(await CheckAsync(repository), r => r.Result == CheckOutcome.Failed);
        }
    }

    /// <summary>From the settings on, no later making would delete what the one that died had left.</summary>
    [Fact]
    public async Task A_making_that_is_cancelled_when_there_is_a_repository_leaves_no_leftovers()
    {
        using RepositoryFixture fixture = await DiedAsync();
        using var cancelled = new CancellationTokenSource();
        var hooked = new HookStore(fixture.Store)
        {
            After = operation =>
            {
                if (operation == PutSettings) cancelled.Cancel();
                return Task.CompletedTask;
            },
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Repository.CreateAsync(hooked, null, fixture.Options, cancelled.Token));
        await RequireWholeAsync(fixture);
    }

    [Fact]
    public async Task What_a_making_cannot_delete_after_it_won_is_named()
    {
        using RepositoryFixture fixture = await DiedAsync();
        string key = Assert.Single(await fixture.Store.ListAllAsync("keys/", default)).Name;
        var hooked = new HookStore(fixture.Store)
        {
            Before = operation => operation == $"delete {key}"
                ? throw new NataliaException(ErrorIds.StoreAccessDenied, NataliaErrorKind.PermissionDenied, "No.")
                : Task.CompletedTask,
        };
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => fixture.CreateAsync(hooked));
        Assert.Equal(ErrorIds.StoreAccessDenied, error.ErrorId);
        Assert.Contains("was made", error.Message, StringComparison.Ordinal);
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
        (await fixture.OpenAsync()).Dispose();
    }

    /// <summary>The bucket locks all by itself, and the session is one without immutability.</summary>
    [Fact]
    public async Task Leftovers_under_a_lock_that_the_session_does_not_set_are_refused_before_there_is_a_repository()
    {
        using var memory = new MemoryStore(objectLock: true);
        using var fixture = new RepositoryFixture(memory);
        var dying = new HookStore(new LockedByItself(memory))
        {
            Before = operation => operation == PutSettings
                ? throw new SimulatedCrashException(operation)
                : Task.CompletedTask,
        };
        await Assert.ThrowsAsync<SimulatedCrashException>(() => fixture.CreateAsync(dying));
        Assert.Equal(ErrorIds.ObjectLocked, (await Assert.ThrowsAsync<NataliaException>(
            () => fixture.CreateAsync(new LockedByItself(memory)))).ErrorId);
        Assert.Null(await memory.StatAsync("natalia.json", default));
    }

    /// <summary>A place where a making died right before there was a repository.</summary>
    private static async Task<RepositoryFixture> DiedAsync()
    {
        var fixture = new RepositoryFixture();
        var dying = new HookStore(fixture.Store)
        {
            Before = operation => operation == PutSettings
                ? throw new SimulatedCrashException(operation)
                : Task.CompletedTask,
        };
        await Assert.ThrowsAsync<SimulatedCrashException>(() => fixture.CreateAsync(dying));
        return fixture;
    }

    /// <summary>It opens, and nothing of who lost is left.</summary>
    private static async Task RequireWholeAsync(RepositoryFixture fixture)
    {
        using Repository made = await fixture.OpenAsync();
        Assert.Single(await fixture.Store.ListAllAsync("keys/", default));
        Assert.DoesNotContain(await CheckAsync(made), r => r.Result == CheckOutcome.Failed);
        Assert.DoesNotContain(await made.VerifyAuditAsync(new AuditExpectations(), default),
            r => r.Result == CheckOutcome.Failed);
    }

    /// <summary>Time that stands still, and tells when somebody begins to wait.</summary>
    private sealed class CountedWaits() : FakeTimeProvider(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero))
    {
        internal static readonly TimeSpan Settle = TimeSpan.FromSeconds(2);

        internal SemaphoreSlim Waits { get; } = new(0);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            if (dueTime == Settle) Waits.Release();
            return timer;
        }
    }

    /// <summary>Takes every put of one name, as a versioned bucket does, and shows the first.</summary>
    private sealed class FirstWins(IObjectStore inner) : WrappedStore(inner), IObjectStore
    {
        bool IObjectStore.HasExclusiveCreate => false;

        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            try
            {
                await base.PutAsync(name, content, options, cancellationToken);
            }
            catch (NataliaException second) when (second.ErrorId == ErrorIds.ObjectExists)
            {
            }
        }

        protected override void Dispose(bool disposing) { }
    }

    /// <summary>Locks every object, and sets no locks that are asked for.</summary>
    private sealed class LockedByItself(MemoryStore memory) : WrappedStore(memory), ILockReader
    {
        public override IObjectLock? ObjectLock => null;

        public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
            Inner.ObjectLock!.GetRetainUntilAsync(name, cancellationToken);

        public override Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken) =>
            base.PutAsync(name, content, options with { RetainUntilUtc = DateTime.UtcNow.AddDays(2) },
                cancellationToken);

        protected override void Dispose(bool disposing) { }
    }
}
