using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Qemu;

/// <summary>
/// Images of a VM that is switched off. QEMU alone counts changes, and it does not run: of a disk whose changes it has
/// counted before, that is told.
/// </summary>
internal sealed class OfflineDisks(IFrozenDisks images, string vmName) : IFrozenDisks, IFrozenAttachments
{
    public DateTime TimeUtc => images.TimeUtc;

    public Consistency Consistency => images.Consistency;

    public string? ConsistencyReason => images.ConsistencyReason;

    public IReadOnlyList<string> Warnings => images.Warnings;

    public IDiskSource GetDisk(string diskId) => images.GetDisk(diskId) switch
    {
        // Whoever put the image there has told what changed.
        IChangeTrackingSource told => told,
        IDiskSource image => new Untracked(image, diskId, vmName),
    };

    public Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(CancellationToken cancellationToken) =>
        images is IFrozenAttachments some
            ? some.ReadAttachmentsAsync(cancellationToken)
            : Task.FromResult<IReadOnlyList<ApplianceAttachment>>([]);

    public Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken) =>
        images.SealAsync(cancellationToken);

    public Task PublishedAsync(CancellationToken cancellationToken) => images.PublishedAsync(cancellationToken);

    public Task UnclearAsync(CancellationToken cancellationToken) => images.UnclearAsync(cancellationToken);

    public ValueTask DisposeAsync() => images.DisposeAsync();

    private sealed class Untracked(IDiskSource image, string diskId, string vmName) : IChangeTrackingSource
    {
        public long SizeBytes => image.SizeBytes;

        public bool IsTracked => false;

        public string? TrackingToken => null;

        public Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken) =>
            Task.FromResult(new ChangedExtents(null,
                $"The VM '{vmName}' is switched off, and QEMU counts the changes of disk '{diskId}' only while it "
                + "runs, so that all of it was read."));

        public IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
            image.GetAllocatedExtentsAsync(cancellationToken);

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
            image.ReadAsync(offset, buffer, cancellationToken);

        public void Dispose() => image.Dispose();
    }
}
