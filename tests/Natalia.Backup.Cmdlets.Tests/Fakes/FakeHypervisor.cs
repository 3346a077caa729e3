using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Cmdlets.Tests.Fakes;

/// <summary>A hypervisor with one VM, which writes down what is done with it and fails where it is told to.</summary>
internal sealed class FakeHypervisor : IHypervisor, IImageSource, IKnownNames, IGuestAddresses
{
    /// <summary>The time of what is frozen next, UTC.</summary>
    internal DateTime TimeUtc { get; set; } = DateTime.UnixEpoch;

    internal List<string> Journal { get; } = [];

    internal bool IsDisposed { get; private set; }

    internal Exception? FreezeFailure { get; init; }

    internal Exception? ReleaseFailure { get; init; }

    internal Exception? CloseFailure { get; init; }

    internal string? ConsistencyReason { get; init; }

    internal IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>How many snapshots of others the VM has.</summary>
    internal int ForeignSnapshots { get; init; }

    /// <summary>Called for every read of a disk; null reads zeros.</summary>
    internal Func<CancellationToken, Task>? OnRead { get; set; }

    /// <summary>Called for every freeze, before it is made.</summary>
    internal Func<CancellationToken, Task>? OnFreeze { get; init; }

    /// <summary>Called while releasing.</summary>
    internal Func<Task>? OnRelease { get; set; }

    /// <summary>
    /// Called when it is asked for its names; what it knows then is <c>pbs</c>, <c>tank</c> and <c>pve1</c>.
    /// </summary>
    internal Func<CancellationToken, Task> OnLearn { get; init; } = _ => Task.CompletedTask;

    public IReadOnlyList<string> BackupStorages { get; private set; } = [];

    public IReadOnlyList<string> DiskStorages { get; private set; } = [];

    public IReadOnlyList<string> VMHosts { get; private set; } = [];

    public async Task LearnAsync(CancellationToken cancellationToken)
    {
        await OnLearn(cancellationToken);
        (BackupStorages, DiskStorages, VMHosts) = (["pbs"], ["tank"], ["pve1"]);
    }

    /// <summary>What the VM is called.</summary>
    internal string VMName { get; init; } = "natalia-test";

    /// <summary>A digit of which its id is made.</summary>
    internal char VMId { get; init; } = 'a';

    /// <summary>A way into the VM, or null.</summary>
    internal IGuestChannel? Guests { get; set; }

    /// <summary>Where its guest says that it is reached.</summary>
    internal IReadOnlyList<SshEndpoint> GuestPlaces { get; set; } = [];

    public Task<IReadOnlyList<SshEndpoint>> FindGuestAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken) => Task.FromResult(GuestPlaces);

    internal ApplianceDescription Appliance => new()
    {
        ApplianceId = new string(VMId, 32),
        Name = VMName,
        HypervisorKind = "Fake",
        NativeId = "100",
        Networks = [new ApplianceNetwork("lan")],
        Disks = [new ApplianceDisk("scsi0", DiskRole.System, 10), new ApplianceDisk("scsi1", DiskRole.Data, 20)],
    };

    /// <summary>What stands of backups.</summary>
    internal List<Leftover> Leftovers { get; } = [];

    public string Kind => "Fake";

    public string Location => "nowhere";

    public T? Find<T>() where T : class => typeof(T) == typeof(IGuestChannel) ? Guests as T : this as T;

    public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
        Task.FromResult(new ApplianceInventory([Appliance]));

    public Task<IReadOnlyList<Leftover>> FindLeftoversAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<Leftover>>([.. Leftovers]);

    public Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken)
    {
        if (!Leftovers.Remove(leftover)) throw new NotSupportedException();
        return Task.CompletedTask;
    }

    public async Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken)
    {
        Journal.Add("freeze " + string.Join("+", how.DiskIds) + " of " + appliance.ApplianceId[0]);
        if (OnFreeze is not null) await OnFreeze(cancellationToken);
        return FreezeFailure is null ? new Frozen(this) : throw FreezeFailure;
    }

    public void Dispose() => IsDisposed = true;

    internal HypervisorConnection Connect(string name) => new(
        new HypervisorSession
        {
            Name = name,
            Kind = Kind,
            Location = Location,
            ConnectedUtc = DateTime.UnixEpoch,
        }, this, new FolderHypervisorSettings { Name = name, Path = Location });

    private sealed class Frozen(FakeHypervisor owner) : IFrozenDisks, IForeignSnapshots
    {
        public DateTime TimeUtc { get; } = owner.TimeUtc;

        public Consistency Consistency => Consistency.Crash;

        public string? ConsistencyReason => owner.ConsistencyReason;

        public IReadOnlyList<string> Warnings => owner.Warnings;

        public int ForeignSnapshots => owner.ForeignSnapshots;

        public IDiskSource GetDisk(string diskId) => new Disk(owner, diskId);

        public Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken)
        {
            owner.Journal.Add("seal");
            return Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string>());
        }

        public Task PublishedAsync(CancellationToken cancellationToken) => TellAsync("published", cancellationToken);

        public Task UnclearAsync(CancellationToken cancellationToken) => TellAsync("unclear", cancellationToken);

        public async ValueTask DisposeAsync()
        {
            if (owner.OnRelease is not null) await owner.OnRelease();
            owner.Journal.Add("release");
            if (owner.ReleaseFailure is not null) throw owner.ReleaseFailure;
        }

        private Task TellAsync(string what, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            owner.Journal.Add(what);
            return Task.CompletedTask;
        }
    }

    private sealed class Disk(FakeHypervisor owner, string diskId) : IDiskSource
    {
        public long SizeBytes => 20;

        public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Yield();
            yield return new Extent(0, 20);
        }

        public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            if (owner.OnRead is not null) await owner.OnRead(cancellationToken);
            buffer.Span.Fill(7);
        }

        public void Dispose()
        {
            owner.Journal.Add("close " + diskId);
            if (owner.CloseFailure is not null) throw owner.CloseFailure;
        }
    }
}
