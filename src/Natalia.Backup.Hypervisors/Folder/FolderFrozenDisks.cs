using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// Images of a switched-off VM, which nobody may write while they are open; whether somebody did is found at the end.
/// </summary>
internal sealed class FolderFrozenDisks(DateTime timeUtc, IReadOnlyDictionary<string, FolderDisk> disks,
    FolderAppliance vm) : IFrozenDisks, IFrozenAttachments
{
    public DateTime TimeUtc => timeUtc;

    // The image as it lies: whether its guest shut down cleanly cannot be seen from outside.
    public Consistency Consistency => Consistency.Crash;

    // Nobody asked a switched-off VM for more, so that needs no explanation; what was not frozen for sure does.
    public string? ConsistencyReason { get; } = Join(disks.Values.Select(d => d.Doubt));

    public IReadOnlyList<string> Warnings { get; } = [.. disks.Values.Select(d => d.Oddity).OfType<string>()];

    public IDiskSource GetDisk(string diskId) => disks.TryGetValue(diskId, out FolderDisk? disk) ? disk.Source
        : throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
            $"The disk '{diskId}' was not frozen.", diskId);

    public Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(CancellationToken cancellationToken) =>
        FolderAttachments.ReadAsync(vm, cancellationToken);

    public Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken)
    {
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (FolderDisk disk in disks.Values)
        {
            cancellationToken.ThrowIfCancellationRequested();
            disk.VerifyUnchanged();
            if (disk.Source is IChangeTrackingSource { TrackingToken: string token }) tokens.Add(disk.DiskId, token);
        }
        return Task.FromResult<IReadOnlyDictionary<string, string>>(tokens);
    }

    // Nothing is made in the folder, so nothing is let go of there, whatever becomes of the point.
    public Task PublishedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task UnclearAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public ValueTask DisposeAsync()
    {
        foreach (FolderDisk disk in disks.Values) disk.Dispose();
        return default;
    }

    private static string? Join(IEnumerable<string?> sentences) =>
        string.Join(" ", sentences.Where(s => s is not null)) is { Length: > 0 } all ? all : null;
}
