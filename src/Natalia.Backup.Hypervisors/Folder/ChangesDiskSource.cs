using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>An image whose changes were told by whoever put it there.</summary>
internal sealed class ChangesDiskSource(IDiskSource image, ChangesFile changes) : IChangeTrackingSource
{
    public long SizeBytes => image.SizeBytes;

    public bool IsTracked => changes.Token is not null;

    public string? TrackingToken => changes.Token;

    public IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
        image.GetAllocatedExtentsAsync(cancellationToken);

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        image.ReadAsync(offset, buffer, cancellationToken);

    public Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken) =>
        Task.FromResult(changes.Since(sinceToken));

    public void Dispose() => image.Dispose();
}
