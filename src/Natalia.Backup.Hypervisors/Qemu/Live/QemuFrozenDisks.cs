using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>Disks of a running VM, frozen by QEMU's own jobs and served by QEMU itself.</summary>
internal sealed class QemuFrozenDisks(
    LiveBackups backups, BackupNote note, LiveMachine machine, IReadOnlyDictionary<string, NbdDiskSource> disks,
    FrozenState state, Func<CancellationToken, Task<IReadOnlyList<ApplianceAttachment>>> readAttachments)
    : IFrozenDisks, IFrozenAttachments
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);
    private bool _isKept, _isDisposed;

    public DateTime TimeUtc => state.TimeUtc;

    public Consistency Consistency => state.Consistency;

    public string? ConsistencyReason => state.Reason;

    public IReadOnlyList<string> Warnings => state.Warnings;

    public IDiskSource GetDisk(string diskId) => disks.TryGetValue(diskId, out NbdDiskSource? disk) ? disk
        : throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
            $"The disk '{diskId}' was not frozen.", diskId);

    /// <summary>Read while the VM runs; firmware that writes at that moment makes it an error, and no torn file.
    /// </summary>
    public Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(CancellationToken cancellationToken) =>
        readAttachments(cancellationToken);

    // QEMU keeps what is overwritten for as long as its job runs; when that ended, reading had failed.
    public Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<IReadOnlyDictionary<string, string>>(disks.ToDictionary(d => d.Key,
            d => d.Value.TrackingToken!, StringComparer.Ordinal));
    }

    public async Task PublishedAsync(CancellationToken cancellationToken)
    {
        _isKept = true;
        cancellationToken.ThrowIfCancellationRequested();
        await backups.RemoveOthersAsync(machine, note, cancellationToken).ConfigureAwait(false);
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
        foreach (NbdDiskSource disk in disks.Values) disk.Dispose();
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        await backups.LetGoAsync(machine, note, isStateKept: _isKept, limit.Token).ConfigureAwait(false);
    }
}

/// <summary>What is known of a frozen state.</summary>
/// <param name="TimeUtc">Its time, UTC.</param>
/// <param name="Consistency">What was reached.</param>
/// <param name="Reason">Why it is less than asked for, or null.</param>
/// <param name="Warnings">What the user should know.</param>
internal sealed record FrozenState(DateTime TimeUtc, Consistency Consistency, string? Reason,
    IReadOnlyList<string> Warnings);
