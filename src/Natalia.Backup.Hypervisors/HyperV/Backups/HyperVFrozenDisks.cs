using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Tracking;

namespace Natalia.Backup.Hypervisors.HyperV.Backups;

/// <summary>
/// The disks of a recovery checkpoint, from its making until it is a reference point that the next incremental counts
/// from.
/// </summary>
internal sealed class HyperVFrozenDisks : IFrozenDisks, IFrozenAttachments, IForeignSnapshots
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_mergeLimit = TimeSpan.FromMinutes(5);

    private readonly BackupService _service;
    private readonly Machine _machine;
    private readonly CimRow _snapshot;
    private readonly IReadOnlyDictionary<string, FrozenDisk> _disks;
    private readonly List<string> _warnings;
    private BackupMark _mark;
    private bool _isKept, _isDisposed;

    internal HyperVFrozenDisks(BackupService service, Machine machine, BackupMark mark, CimRow snapshot,
        IReadOnlyDictionary<string, FrozenDisk> disks, FrozenState state)
    {
        (_service, _machine, _mark, _snapshot, _disks) = (service, machine, mark, snapshot, disks);
        (Consistency, ConsistencyReason, _warnings) = (state.Consistency, state.Reason, [.. state.Warnings]);
        ForeignSnapshots = state.ForeignSnapshots;
        TimeUtc = snapshot.Time("CreationTime") ?? mark.StartedUtc;
    }

    public DateTime TimeUtc { get; }

    public Consistency Consistency { get; }

    public string? ConsistencyReason { get; }

    public IReadOnlyList<string> Warnings => _warnings;

    public int ForeignSnapshots { get; }

    public IDiskSource GetDisk(string diskId) => _disks.TryGetValue(diskId, out FrozenDisk? disk) ? disk
        : throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
            $"The disk '{diskId}' was not frozen.", diskId);

    public Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(CancellationToken cancellationToken) =>
        ConfigurationFiles.ReadAsync(_machine.Host, _snapshot, _machine.HasTpm, _warnings.Add, cancellationToken);

    public async Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!_disks.Values.Any(d => d.IsTracked)) return new Dictionary<string, string>();
        var marked = new List<MarkedDisk>();
        foreach (MarkedDisk disk in _mark.Disks)
        {
            string? probe = await _disks[disk.DiskId].ProbeAsync(cancellationToken).ConfigureAwait(false);
            marked.Add(disk with { Probe = probe });
        }
        _mark = _mark with { Disks = marked };
        Close();
        await RecordAsync(cancellationToken).ConfigureAwait(false);
        CimRow reference = await CheckpointService.ConvertAsync(_machine, _mark, _snapshot.Path!,
            cancellationToken).ConfigureAwait(false);
        _mark = _mark with { ReferenceId = reference.Text("InstanceID") };
        await RecordAsync(cancellationToken).ConfigureAwait(false);
        return RctToken.Of(_mark, reference, _machine.Disks)
            .ToDictionary(t => t.Key, t => t.Value.ToText(), StringComparer.Ordinal);
    }

    public async Task PublishedAsync(CancellationToken cancellationToken)
    {
        _isKept = true;
        await _service.RemoveOthersAsync(_machine, _mark, cancellationToken).ConfigureAwait(false);
        if (await CheckpointService.WaitForMergeAsync(_machine, s_mergeLimit, cancellationToken).ConfigureAwait(false))
            return;
        throw new NataliaException(ErrorIds.MergeNotFinished, NataliaErrorKind.Timeout,
            $"The backup of '{_machine.Name}' is good, and after {s_mergeLimit.TotalMinutes:0} minutes the host still "
            + "merges the disks of its checkpoint.", _machine.Name,
            "A merge of much takes long and ends by itself. If it does not, see the event log "
            + "Microsoft-Windows-Hyper-V-VMMS-Admin (19080 is its end, 19100 its failure) and the room on the volume.");
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
        Close();
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        // The checkpoint goes in any case: a conversion takes it along, and one that failed may have left it. Of a
        // conversion whose answer was lost the reference point is found by its name.
        if (!_isKept || _mark.ReferenceId is null)
            await CheckpointService.RemoveAsync(_machine, _mark, _isKept, mayCome: false, limit.Token)
                .ConfigureAwait(false);
    }

    private void Close()
    {
        foreach (FrozenDisk disk in _disks.Values) disk.Close();
    }

    private Task RecordAsync(CancellationToken cancellationToken) =>
        NoteBook.ChangeAsync(_machine, n => NoteText.WithBackup(n, _mark.RunId, _mark), cancellationToken);
}

/// <summary>What was reached by a freeze.</summary>
internal sealed record FrozenState(Consistency Consistency, string? Reason, IReadOnlyList<string> Warnings,
    int ForeignSnapshots);
