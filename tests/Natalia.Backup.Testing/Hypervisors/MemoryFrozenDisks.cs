using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>Disks of a snapshot in memory, from the snapshot to the reference point that it becomes.</summary>
internal sealed class MemoryFrozenDisks(
    MemoryHypervisor hypervisor, MemoryObject snapshot, FreezeRequest how, Consistency consistency,
    string? reason) : IFrozenDisks
{
    private MemoryObject? _reference;
    private bool _isSealing, _isKept, _isDisposed;

    public DateTime TimeUtc { get; } = DateTime.UtcNow;

    public Consistency Consistency => consistency;

    public string? ConsistencyReason => reason;

    public IReadOnlyList<string> Warnings => [];

    public IDiskSource GetDisk(string diskId) =>
        snapshot.States.TryGetValue(diskId, out MemoryState? state)
            ? new Disk(this, diskId, state) : throw MemoryHypervisor.NoDisk(diskId);

    public async Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (hypervisor.Life == TokenLife.BornAtSeal)
        {
            _isSealing = true;
            _reference ??= await hypervisor.ConvertAsync(snapshot, cancellationToken);
        }
        return snapshot.States.ToDictionary(s => s.Key, s => hypervisor.Token(_reference ?? snapshot, s.Value),
            StringComparer.Ordinal);
    }

    public async Task PublishedAsync(CancellationToken cancellationToken)
    {
        _isKept = true;
        if (hypervisor.Life == TokenLife.BornAtFreeze) return;
        foreach (Leftover found in await hypervisor.FindLeftoversAsync(MemoryHypervisor.Describe(hypervisor.Host),
            cancellationToken))
        {
            bool isOurs = found.RepositoryId == how.RepositoryId && found.HistoryId == how.HistoryId;
            if (isOurs && found.RunId != how.RunId) await hypervisor.RemoveAsync(found.Id, cancellationToken);
        }
    }

    public Task UnclearAsync(CancellationToken cancellationToken)
    {
        _isKept = true;
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        using var bounded = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        foreach (MemoryObject ours in hypervisor.Host.Objects.Where(o => o.Name == snapshot.Name).ToList())
        {
            // A conversion whose answer was lost may have made the point: by the name it is found all the same.
            if (_isKept && ours.Kind == MemoryObject.ReferencePoint) continue;
            await hypervisor.RemoveAsync(ours.Id, bounded.Token);
        }
    }

    private sealed class Disk(MemoryFrozenDisks frozen, string diskId, MemoryState state)
        : MemoryDiskSource(state.Bytes), IChangeTrackingSource
    {
        public bool IsTracked => true;

        public string? TrackingToken =>
            frozen.Hypervisor.Life == TokenLife.BornAtFreeze ? frozen.Hypervisor.Token(frozen.Snapshot, state) : null;

        public Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken) =>
            frozen.Hypervisor.ChangesAsync(state, sinceToken, cancellationToken);

        ValueTask IDiskSource.ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            // On the real host the snapshot is gone from the conversion on.
            if (frozen._isSealing) throw new InvalidOperationException("Nothing can be read of a sealed state.");
            if (!frozen.Hypervisor.Host.Has(diskId))
                throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
                    $"The disk '{diskId}' is gone.", diskId);
            frozen.Hypervisor.CountRead(buffer.Length);
            return ReadAsync(offset, buffer, cancellationToken);
        }
    }

    private MemoryHypervisor Hypervisor => hypervisor;

    private MemoryObject Snapshot => snapshot;
}
