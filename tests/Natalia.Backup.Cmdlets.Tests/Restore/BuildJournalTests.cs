using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Restore;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Restore;

/// <summary>
/// What becomes of VMs that ran from a restore point when who built them died. The hypervisor is a stand-in.
/// </summary>
public sealed class BuildJournalTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Bench _bench = new();
    private readonly List<string> _warnings = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_vm_that_has_its_disks_is_completed_and_told_and_not_removed()
    {
        await SweepAsync(() => Task.FromResult(true));
        Assert.Equal("An earlier restore was broken off when its VM 1 ('paris') on 'bench' had all of its disks: it is "
            + "an appliance now.", Assert.Single(_warnings));
        Assert.Empty(_bench.Removed);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_vm_of_which_it_cannot_be_told_is_left_with_its_note()
    {
        await SweepAsync(() => throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
            "Its monitor does not answer."));
        Assert.EndsWith("could not be removed: Its monitor does not answer.", Assert.Single(_warnings),
            StringComparison.Ordinal);
        Assert.Empty(_bench.Removed);
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_vm_without_all_of_its_disks_is_removed()
    {
        await SweepAsync(() => Task.FromResult(false));
        Assert.EndsWith("which was removed.", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Equal(["1"], _bench.Removed);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_vm_is_removed_also_when_its_hypervisor_is_connected_by_another_address()
    {
        await SweepAsync(() => Task.FromResult(false), "vms.example.com");
        Assert.EndsWith("which was removed.", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Equal(["1"], _bench.Removed);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_note_of_another_address_is_kept_when_nothing_is_found()
    {
        var journal = new BuildJournal(_folder.Path);
        journal.Begin(Guid.NewGuid().ToString("N"), Connect("vms.example.com")).Dispose();

        await journal.SweepAsync(Connect(_bench.Location), _warnings.Add, default);
        Assert.Single(Directory.GetFiles(_folder.Path));
        await journal.SweepAsync(Connect("vms.example.com"), _warnings.Add, default);
        Assert.Empty(Directory.GetFiles(_folder.Path));
        Assert.Empty(_warnings);
    }

    [Fact]
    public async Task A_note_is_kept_and_told_when_not_everything_can_be_looked_at()
    {
        var journal = new BuildJournal(_folder.Path);
        journal.Begin(Guid.NewGuid().ToString("N"), Connect(_bench.Location)).Dispose();
        _bench.Unseen = ["the host 'b'"];

        await journal.SweepAsync(Connect(_bench.Location), _warnings.Add, default);

        Assert.Contains("not known, because not everything can be looked at now: the host 'b'.",
            Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    private async Task SweepAsync(Func<Task<bool>> complete, string? formerly = null)
    {
        _bench.Complete = complete;
        var journal = new BuildJournal(_folder.Path);
        string build = Guid.NewGuid().ToString("N");
        // Its process has ended.
        journal.Begin(build, Connect(formerly ?? _bench.Location)).Dispose();
        _bench.Left = new UnfinishedAppliance("1", "paris", build, DateTime.UnixEpoch);
        await journal.SweepAsync(Connect(_bench.Location), _warnings.Add, default);
    }

    private HypervisorConnection Connect(string location) => new(new HypervisorSession
    {
        Name = "bench",
        Kind = _bench.Kind,
        Location = location,
        ConnectedUtc = DateTime.UnixEpoch,
    }, _bench, null!);

    private sealed class Bench : IHypervisor, IServedDiskBuilder
    {
        internal UnfinishedAppliance? Left { get; set; }

        internal Func<Task<bool>> Complete { get; set; } = () => Task.FromResult(false);

        internal IReadOnlyList<string> Unseen { get; set; } = [];

        internal List<string> Removed { get; } = [];

        public string Kind => "Qemu";

        public string Location => "/vms";

        public T? Find<T>() where T : class => this as T;

        public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<IApplianceUnderConstruction> BeginAsync(ApplianceDescription like, BuildRequest how,
            CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<UnfinishedAppliance>> FindUnfinishedAsync(CancellationToken cancellationToken) =>
            Task.FromResult(PartialCollection.Of<UnfinishedAppliance>(Left is null ? [] : [Left], Unseen));

        public Task RemoveUnfinishedAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken)
        {
            Removed.Add(unfinished.NativeId);
            return Task.CompletedTask;
        }

        public Task<bool> TryCompleteAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken) =>
            Complete();

        public void Dispose() { }
    }
}
