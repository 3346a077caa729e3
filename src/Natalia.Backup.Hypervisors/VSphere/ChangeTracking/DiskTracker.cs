using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>
/// Asks a server what changed of a frozen disk (changed block tracking, CBT), and what of it was ever allocated.
/// Whether the disk is tracked is told by the snapshot's own backing, each time. In any doubt the answer is a reason.
/// </summary>
/// <param name="disk">The disk, as it is in the snapshot.</param>
/// <param name="datastoreType">The type of its datastore (<c>VMFS</c>, <c>NFS</c>, <c>vsan</c>); null where unknown.
/// </param>
/// <param name="ask">Asks for the areas since a change id from an offset on.</param>
internal sealed class DiskTracker(FrozenVirtualDisk disk, string? datastoreType,
    Func<string, long, CancellationToken, Task<DiskChanges>> ask)
{
    /// <summary>What asks for everything that was ever allocated instead of for changes.</summary>
    internal const string Everything = "*";

    internal bool IsTracked => !string.IsNullOrEmpty(disk.ChangeId);

    /// <summary>The token of this state; null for a disk that is not tracked.</summary>
    internal string? Token =>
        IsTracked ? new CbtToken(IdentityOf(disk), disk.SizeBytes, disk.ChangeId!, disk.ParentCount > 0).ToText()
            : null;

    /// <summary>
    /// What may hold something else than zeros. Only file systems of the host's own know that; elsewhere a server may
    /// refuse the question, or answer for the whole disk.
    /// </summary>
    internal async Task<IReadOnlyList<Extent>> GetAllocatedAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<Extent> whole = disk.SizeBytes == 0 ? [] : [new Extent(0, disk.SizeBytes)];
        if (!IsTracked || !DatastoreKind.IsFileSystem(datastoreType)) return whole;
        (AreaAnswer answer, _) = await AskAsync(Everything, cancellationToken).ConfigureAwait(false);
        return answer.Extents ?? whole;
    }

    internal async Task<ChangedExtents> GetChangesAsync(string sinceToken, CancellationToken cancellationToken)
    {
        if (!IsTracked)
            return No("the server does not track its changes. Set-NataliaAppliance -EnableChangeTracking switches that "
                + "on");
        if (CbtToken.TryParse(sinceToken) is not CbtToken since)
            return No($"'{DisplayText.Clean(sinceToken)}' is no token of VMware's change tracking");
        if (!string.Equals(since.Disk, IdentityOf(disk), StringComparison.OrdinalIgnoreCase))
            return No("another disk has taken its place");
        if (since.Capacity != disk.SizeBytes)
            return No($"it was resized from {since.Capacity} to {disk.SizeBytes} bytes");
        if (ChangeId.WhyNotFrom(since.ChangeId, disk.ChangeId!) is string why) return No(why);
        if (since.HadImagesBelow)
            return No("the VM had snapshots at its last point, to which it may have been set back since");
        (AreaAnswer answer, string? fault) = await AskAsync(since.ChangeId, cancellationToken).ConfigureAwait(false);
        return answer.Extents is not null ? new ChangedExtents(answer.Extents) : No(fault ?? answer.Why!);
    }

    /// <summary>What tells the disk from another one in its place.</summary>
    private static string IdentityOf(FrozenVirtualDisk disk) => disk.Uuid ?? "file:" + disk.FileName;

    private async Task<(AreaAnswer Answer, string? Fault)> AskAsync(string changeId,
        CancellationToken cancellationToken)
    {
        try
        {
            return (await AreaWalk.AskAsync(disk.SizeBytes, (offset, stop) => ask(changeId, offset, stop),
                cancellationToken).ConfigureAwait(false), null);
        }
        catch (NataliaException e) when (IsAboutTracking(e))
        {
            // One fault for three causes, which nobody can tell apart from outside.
            string fault = e is VimFaultException f && f.Is("FileFault")
                ? "the server no longer knows the state of its last point (FileFault): its change tracking was "
                    + "switched off, or was begun anew by a power loss, a revert or a move"
                : $"the server could not tell what changed: {e.Message.TrimEnd('.')}";
            return (new AreaAnswer(null, fault, 0), fault);
        }
    }

    /// <summary>
    /// Whether only the tracking is concerned: whoever may not ask, or has no connection, will not read either.
    /// </summary>
    private static bool IsAboutTracking(NataliaException e) =>
        e is VimFaultException f
            ? !f.Is("NotAuthenticated", "NoPermission", "ManagedObjectNotFound", "RestrictedVersion")
            : e.ErrorId == ErrorIds.ServerAnswerInvalid;

    private ChangedExtents No(string why) => new(null, $"Of disk '{disk.DiskId}' everything was read: {why}.");
}
