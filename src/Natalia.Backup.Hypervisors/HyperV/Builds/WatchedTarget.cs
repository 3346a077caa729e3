using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>A target that remembers whether it was written to its end.</summary>
internal sealed class WatchedTarget(IDiskTarget inner) : IDiskTarget
{
    internal bool IsCompleted { get; private set; }

    public bool AcceptsAnyOrder => inner.AcceptsAnyOrder;

    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken) =>
        inner.BeginAsync(sizeBytes, cancellationToken);

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        inner.WriteAsync(offset, bytes, cancellationToken);

    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        await inner.CompleteAsync(cancellationToken).ConfigureAwait(false);
        IsCompleted = true;
    }

    public void Dispose() => inner.Dispose();
}
