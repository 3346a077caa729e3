using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>A disk of a frozen VM: its bytes by one of the ways, and what changed of it.</summary>
/// <param name="sizeBytes">Its size in bytes.</param>
/// <param name="bytes">Its bytes.</param>
/// <param name="way">By which way they come.</param>
/// <param name="tracker">What is known of changes.</param>
internal sealed class VSphereDisk(long sizeBytes, IDiskBytes bytes, ReadMethod way, DiskTracker tracker)
    : IChangeTrackingSource, IOrderedDiskSource, IReadMethodSource, ITrackingAdvice
{
    public long SizeBytes => sizeBytes;

    public bool IsTracked => tracker.IsTracked;

    public string? TrackingToken => tracker.Token;

    public bool IsOrdered => way == ReadMethod.NfcExport;

    public ReadMethod ReadMethod => way;

    public string ResetAdvice =>
        "Reset the VM's changed block tracking: while it has no snapshot, set changeTrackingEnabled to false, make and "
        + "remove a snapshot, and switch it on again with Set-NataliaAppliance -EnableChangeTracking.";

    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (Extent extent in await tracker.GetAllocatedAsync(cancellationToken).ConfigureAwait(false))
            yield return extent;
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        bytes.ReadAsync(offset, buffer, cancellationToken);

    public Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken) =>
        tracker.GetChangesAsync(sinceToken, cancellationToken);

    /// <summary>The connections belong to the reading.</summary>
    public void Dispose() { }
}
