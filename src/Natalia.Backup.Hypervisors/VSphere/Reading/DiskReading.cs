using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>A frozen VM that is being read, by either way.</summary>
/// <param name="disks">Its disks, by id.</param>
/// <param name="warnings">What the user should know.</param>
/// <param name="close">Closes what belongs to the reading, in this order.</param>
internal sealed class DiskReading(IReadOnlyDictionary<string, VSphereDisk> disks, IReadOnlyList<string> warnings,
    IReadOnlyList<Func<ValueTask>> close) : IDiskReading
{
    private bool _isDisposed;

    public IReadOnlyList<string> Warnings => warnings;

    public IDiskSource GetDisk(string diskId) => disks.TryGetValue(diskId, out VSphereDisk? disk) ? disk
        : throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
            $"The disk '{diskId}' was not frozen.", diskId);

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        foreach (Func<ValueTask> one in close) await one().ConfigureAwait(false);
    }
}
