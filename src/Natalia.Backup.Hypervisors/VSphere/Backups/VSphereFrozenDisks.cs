using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>
/// The disks of a snapshot. Whatever becomes of the point, the snapshot goes: a changeId counts from a state that needs
/// nothing to stand.
/// </summary>
internal sealed class VSphereFrozenDisks : IFrozenDisks, IFrozenAttachments, IForeignSnapshots
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    private readonly BackupService _service;
    private readonly FrozenMachine _machine;
    private readonly SnapshotMark _mark;
    private readonly IDiskReading _reading;
    private readonly IDisposable _keepAlive;
    private readonly FrozenState _state;
    private readonly List<string> _warnings;
    private bool _isDisposed;

    internal VSphereFrozenDisks(BackupService service, FrozenMachine machine, SnapshotMark mark, IDiskReading reading,
        IDisposable keepAlive, FrozenState state)
    {
        (_service, _machine, _mark, _reading, _keepAlive, _state) =
            (service, machine, mark, reading, keepAlive, state);
        _warnings = [.. state.Warnings, .. reading.Warnings];
    }

    public DateTime TimeUtc => _state.TimeUtc;

    public Consistency Consistency => _state.Consistency;

    public string? ConsistencyReason => _state.Reason;

    public IReadOnlyList<string> Warnings => _warnings;

    public int ForeignSnapshots => _state.ForeignSnapshots;

    public IDiskSource GetDisk(string diskId) => _reading.GetDisk(diskId);

    public Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(CancellationToken cancellationToken) =>
        _service.ReadAttachmentsAsync(_machine, cancellationToken);

    public async Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _service.RequireStandingAsync(_machine, _mark, cancellationToken).ConfigureAwait(false);
        if (_state.HadHeartbeat && await _service.HasLostHeartbeatAsync(_machine.Machine,
            cancellationToken).ConfigureAwait(false))
            _warnings.Add(BackupService.StillFrozen);
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (FrozenVirtualDisk disk in _machine.Disks)
            if (GetDisk(disk.DiskId) is IChangeTrackingSource { IsTracked: true, TrackingToken: string token })
                tokens[disk.DiskId] = token;
        return tokens;
    }

    public Task PublishedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task UnclearAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        using Deadline limit = _service.Clock.CreateDeadline(s_cleanUpLimit, CancellationToken.None);
        try
        {
            try
            {
                // Whoever reads holds the file, and the snapshot of a held file is not merged.
                await _reading.DisposeAsync().ConfigureAwait(false);
            }
            finally
            {
                await _service.RemoveAsync(_machine, _mark, limit.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            _keepAlive.Dispose();
        }
    }
}

/// <summary>What was reached by a freeze.</summary>
internal sealed record FrozenState(DateTime TimeUtc, Consistency Consistency, string? Reason,
    IReadOnlyList<string> Warnings, int ForeignSnapshots, bool HadHeartbeat);
