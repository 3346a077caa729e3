using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>The call <c>QueryChangedDiskAreas</c>.</summary>
internal static class ChangedAreaQuery
{
    /// <summary>Asks for one part.</summary>
    /// <param name="vim">The session.</param>
    /// <param name="frozen">The VM in its snapshot. Without its name, a running VM answers FileFault.</param>
    /// <param name="disk">The disk.</param>
    /// <param name="changeId">Since when, or <c>*</c>.</param>
    /// <param name="offset">From which byte on.</param>
    /// <exception cref="VimFaultException">The server cannot tell.</exception>
    /// <exception cref="NataliaException"><c>ServerAnswerInvalid</c>, and what a call can fail with.</exception>
    internal static async Task<DiskChanges> AskAsync(IVimService vim, FrozenMachine frozen, FrozenVirtualDisk disk,
        string changeId, long offset, CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> answer = await vim.CallAsync(frozen.Machine, "QueryChangedDiskAreas",
            [
                VimXml.Element("snapshot", frozen.Snapshot),
                VimXml.Element("deviceKey", disk.Key),
                VimXml.Element("startOffset", offset),
                VimXml.Element("changeId", changeId),
            ], cancellationToken).ConfigureAwait(false);
        if (answer.Count != 1 || answer[0].Number("startOffset") is not long start
            || answer[0].Number("length") is not long length)
            throw Odd(disk);
        var areas = new List<ChangedArea>();
        foreach (XElement area in answer[0].Members("changedArea"))
            areas.Add(area.Number("start") is long from && area.Number("length") is long bytes
                ? new ChangedArea(from, bytes)
                : throw Odd(disk));
        return new DiskChanges(start, length, areas);
    }

    /// <summary>Numbers that do not fit 64 bits are none that areas of a disk can have.</summary>
    private static NataliaException Odd(FrozenVirtualDisk disk) =>
        new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
        $"The server's answer about the changes of disk '{disk.DiskId}' is none.", disk.DiskId);
}
