using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

public sealed class StoreProbeTests
{
    private static CancellationToken None => CancellationToken.None;

    private static async Task<Dictionary<string, CheckResult>> ProbeAsync(IObjectStore store,
        StoreProbeOptions? options = null)
    {
        var results = new Dictionary<string, CheckResult>();
        await foreach (CheckResult result in StoreProbe.RunAsync(store, options, None))
            results.Add(result.Name, result);
        return results;
    }

    private static async Task<int> CountAsync(IObjectStore store)
    {
        int count = 0;
        await foreach (StoredObject _ in store.ListAsync("", None)) count++;
        return count;
    }

    [Fact]
    public async Task Passes_a_folder_and_leaves_nothing_there()
    {
        using var folder = new TemporaryFolder();
        using var store = new CountingStore(new RetryStore(FolderStore.Open(folder.Path, create: true)));
        Dictionary<string, CheckResult> results = await ProbeAsync(store,
            new StoreProbeOptions { MinimumFreeBytes = 1, RepositoryId = "id" });
        Assert.Equal(["StoreReachable", "StoreReadAfterWrite", "StoreRangedRead", "StoreConcurrentWriters",
            "StoreClock", "StoreFreeSpace", "StoreOffHost", "StoreImmutability"],
            results.Keys);
        Assert.All(results.Values, r => Assert.Equal((folder.Path, "id"), (r.Target, r.RepositoryId)));
        foreach (string name in results.Keys.Except(["StoreOffHost", "StoreImmutability"]))
            Assert.Equal(CheckOutcome.Passed, results[name].Result);
        Assert.Equal(CheckOutcome.Warning, results["StoreOffHost"].Result);
        Assert.Equal(CheckOutcome.Skipped, results["StoreImmutability"].Result);
        Assert.Equal(0, await CountAsync(store));
    }

    [Fact]
    public async Task Proves_immutability_and_removes_its_probes_when_their_locks_have_ended()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock, objectLock: true);
        Dictionary<string, CheckResult> results = await ProbeAsync(store, new StoreProbeOptions { Clock = clock });
        Assert.Equal(CheckOutcome.Passed, results["StoreImmutability"].Result);
        Assert.Equal(1, await CountAsync(store));
        clock.Advance(TimeSpan.FromHours(2));
        await ProbeAsync(store, new StoreProbeOptions { Clock = clock });
        Assert.Equal(1, await CountAsync(store));
    }

    [Fact]
    public async Task Finds_a_store_that_does_not_keep_its_locks()
    {
        using var store = new Liar(new MemoryStore(objectLock: true)) { KeepsLocks = false };
        CheckResult result = (await ProbeAsync(store))["StoreImmutability"];
        Assert.Equal((CheckOutcome.Failed, ErrorIds.ObjectNotLocked), (result.Result, result.ErrorId));
    }

    [Fact]
    public async Task Finds_a_store_that_lets_two_writers_win()
    {
        using var store = new Liar(new MemoryStore()) { ExcludesWriters = false };
        Assert.Equal((CheckOutcome.Failed, ErrorIds.StoreCheckFailed),
            ((await ProbeAsync(store))["StoreConcurrentWriters"] is var r ? r.Result : default, r.ErrorId));
    }

    [Fact]
    public async Task Finds_a_store_that_reads_short()
    {
        using var store = new Liar(new MemoryStore()) { ReadsRanges = false };
        Assert.Equal(CheckOutcome.Failed, (await ProbeAsync(store))["StoreRangedRead"].Result);
    }

    [Fact]
    public async Task Finds_a_store_that_lists_late()
    {
        using var store = new Liar(new MemoryStore()) { ListsAtOnce = false };
        Assert.Equal(CheckOutcome.Failed, (await ProbeAsync(store))["StoreReadAfterWrite"].Result);
    }

    [Theory]
    [InlineData(-600, CheckOutcome.Warning, "600 s behind")]
    [InlineData(600, CheckOutcome.Warning, "600 s ahead")]
    [InlineData(30, CheckOutcome.Passed, "30 s ahead")]
    [InlineData(0, CheckOutcome.Passed, "the same")]
    public async Task Compares_the_clocks(int ahead, CheckOutcome outcome, string actual)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using var store = new MemoryStore(new FakeTimeProvider(now.AddSeconds(ahead < 0 ? ahead - 1 : ahead)));
        CheckResult result = (await ProbeAsync(store,
            new StoreProbeOptions { Clock = new FakeTimeProvider(now) }))["StoreClock"];
        Assert.Equal((outcome, actual), (result.Result, result.Actual));
    }

    [Fact]
    public async Task Says_once_that_nothing_can_be_reached()
    {
        Dictionary<string, CheckResult> results = await ProbeAsync(new FaultStore(new MemoryStore(), Fault.Gone, 0));
        Assert.Equal((CheckOutcome.Failed, ErrorIds.StoreUnavailable),
            (results["StoreReachable"].Result, results["StoreReachable"].ErrorId));
        Assert.All(results.Values.Skip(1), r => Assert.Equal(CheckOutcome.Skipped, r.Result));
    }

    [Theory]
    [InlineData("nas.example.com", false, "esx1", CheckOutcome.Passed)]
    [InlineData("esx1.example.com", false, "esx1", CheckOutcome.Warning)]
    [InlineData("10.0.0.5", false, "10.0.0.5", CheckOutcome.Warning)]
    [InlineData("10.0.0.5", false, "10.0.0.6", CheckOutcome.Passed)]
    [InlineData("10.0.0.5", false, "esx1", CheckOutcome.NotEvidenced)]
    [InlineData("nas.example.com", false, "10.0.0.5", CheckOutcome.NotEvidenced)]
    [InlineData("10.0.0.5", false, "localhost", CheckOutcome.Passed)]
    [InlineData("fd00--5.ipv6-literal.net", false, "fd00::5", CheckOutcome.Warning)]
    [InlineData("a.x.com", false, "a.y.com", CheckOutcome.Passed)]
    [InlineData("localhost", true, "esx1", CheckOutcome.Warning)]
    [InlineData(null, null, "esx1", CheckOutcome.NotEvidenced)]
    public async Task Warns_when_the_destination_lies_where_the_machine_does(string? host, bool? here,
        string hypervisor, CheckOutcome outcome)
    {
        using var store = new Liar(new MemoryStore())
        {
            Placement = new StorePlacement { HostName = host, IsThisMachine = here, FreeBytes = 5 },
        };
        Dictionary<string, CheckResult> results = await ProbeAsync(store,
            new StoreProbeOptions { HypervisorHosts = [hypervisor] });
        Assert.Equal(outcome, results["StoreOffHost"].Result);
        Assert.Equal(CheckOutcome.Warning, results["StoreFreeSpace"].Result);
    }

    private sealed class Liar(MemoryStore inner) : WrappedStore(inner), IPlacedStore
    {
        private string? _last;

        public bool KeepsLocks { get; init; } = true;
        public bool ExcludesWriters { get; init; } = true;
        public bool ReadsRanges { get; init; } = true;
        public bool ListsAtOnce { get; init; } = true;
        public StorePlacement Placement { get; init; } = new();

        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            if (!ExcludesWriters)
            {
                await base.DeleteAsync(name, cancellationToken);
                options = options with { MustNotExist = false };
            }
            if (!KeepsLocks) options = options with { RetainUntilUtc = null };
            await base.PutAsync(name, content, options, cancellationToken);
            _last = name;
        }

        public override async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken)
        {
            int read = await base.ReadAsync(name, offset, buffer, cancellationToken);
            return ReadsRanges ? read : Math.Min(read, 1000);
        }

        public override IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
            CancellationToken cancellationToken) =>
            ListsAtOnce
                ? base.ListAsync(prefix, after, cancellationToken)
                : base.ListAsync(prefix, after, cancellationToken).Where(o => o.Name != _last);

        public Task<StorePlacement> GetPlacementAsync(CancellationToken cancellationToken) =>
            Task.FromResult(Placement);
    }
}
