using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Tracking;

/// <summary>
/// Asks a host's resilient change tracking (RCT) what changed of a frozen disk. It counts from the very state that our
/// last point recorded, never from the newest one: products take turns. In any doubt the answer is a reason.
/// </summary>
/// <param name="machine">The VM.</param>
/// <param name="appliedId">The checkpoint that the VM was last set back to; null for none.</param>
/// <param name="run">The host's run in which the disk was frozen; null when the host does not tell it.</param>
/// <param name="slot">The disk, with the frozen file.</param>
/// <param name="virtualDiskId">Which disk it is.</param>
internal sealed class RctTracker(Machine machine, string? appliedId, HostRun? run, DiskSlot slot,
    string virtualDiskId)
{
    /// <summary>How much is asked for at once: an answer has two numbers for each extent.</summary>
    internal const long LargestWindow = 16L << 30;

    internal const long SmallestWindow = 64L << 20;

    private const int Sector = 512;

    internal async Task<ChangedExtents> GetChangesAsync(IDiskSource disk, string sinceToken,
        CancellationToken cancellationToken)
    {
        if (RctToken.TryParse(sinceToken) is not RctToken since)
            return No($"'{DisplayText.Clean(sinceToken)}' is no token of Hyper-V's change tracking");
        if (!string.Equals(since.VirtualDiskId, virtualDiskId, StringComparison.OrdinalIgnoreCase))
            return No("another disk has taken its place");
        if (since.Applied != (appliedId ?? "-")) return No("the VM was set back to a checkpoint since its last point");
        // One that is gone again, or to which it had been set back before, leaves no other trace.
        if (since.Stood != "no")
            return No(since.Stood is null
                ? "when its last point was made, it was not noted whether a checkpoint stood"
                : "a checkpoint of a person stood at its last point, to which it may have been set back since");
        if (run is null)
            return No("the host does not tell this user its name and since when it is up (Win32_OperatingSystem), so "
                + "that nobody knows whether it went down uncleanly");
        if (HostRun.TryParse(since.Host) is not HostRun then)
            return No("when its last point was made, the host did not tell its name and since when it was up");
        if (await then.WhyNotAsync(run, machine.Host, cancellationToken).ConfigureAwait(false) is string why)
            return No(why);
        Standing standing = await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false);
        CimRow? reference = standing.References.FirstOrDefault(r => r.Text("InstanceID") == since.ReferenceId);
        if (reference is null) return No("the reference point of its last point is gone");
        if (!reference.Texts("ResilientChangeTrackingIdentifiers").Contains(since.RctId))
            return No("the reference point of its last point does not track it any more");
        ChangedExtents answer = await AskAsync(disk.SizeBytes, since.RctId, cancellationToken).ConfigureAwait(false);
        if (answer.Extents is not { Count: 0 }) return answer;
        return await DiskProbe.ReadAsync(disk, cancellationToken).ConfigureAwait(false) == since.Probe
            ? answer
            : No("the host says that nothing of it changed, and its content is another: its change tracking is faulty");
    }

    private async Task<ChangedExtents> AskAsync(long size, string limitId, CancellationToken cancellationToken)
    {
        var extents = new List<Extent>();
        long window = LargestWindow;
        for (long offset = 0; offset < size;)
        {
            long length = Math.Min(window, size - offset);
            CimRow outputs;
            try
            {
                outputs = await machine.Host.CallAsync("Msvm_ImageManagementService", "GetVirtualDiskChanges",
                    new CimArguments
                    {
                        { "Path", slot.Path },
                        { "LimitId", limitId },
                        { "TargetSnapshotId", (string?)null },
                        { "ByteOffset", (ulong)offset },
                        { "ByteLength", (ulong)length },
                    }, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (e.InnerException is CimFaultException { Fault: CimFault.AnswerTooLarge }
                && length > SmallestWindow)
            {
                window = Math.Max(SmallestWindow, length / 2);
                continue;
            }
            catch (NataliaException e) when (e.Kind is not (NataliaErrorKind.Connection
                or NataliaErrorKind.PermissionDenied))
            {
                return No($"the host could not tell what changed: {e.Message.TrimEnd('.')}");
            }
            // Of what a job gives, the lists are out of reach.
            if (outputs.Number("ProcessedByteLength") is not long processed || processed <= 0 || processed > length)
                return No("the host's answer about what changed covers nothing");
            if (Read(outputs, offset, length, size) is not List<Extent> some)
                return No("the host's answer about what changed contradicts itself");
            extents.AddRange(some);
            offset += processed;
        }
        return new ChangedExtents(Merge(extents));
    }

    private static List<Extent>? Read(CimRow outputs, long offset, long length, long size)
    {
        IReadOnlyList<long> starts = outputs.Numbers("ChangedByteOffsets");
        IReadOnlyList<long> lengths = outputs.Numbers("ChangedByteLengths");
        if (starts.Count != lengths.Count
            || starts.Count != outputs.Texts("ChangedByteOffsets").Count) return null;
        var extents = new List<Extent>(starts.Count);
        for (int i = 0; i < starts.Count; i++)
        {
            if (starts[i] < offset || lengths[i] <= 0 || lengths[i] > length
                || starts[i] > offset + length - lengths[i]) return null;
            long from = starts[i] / Sector * Sector;
            long to = Math.Min(size, (starts[i] + lengths[i] + Sector - 1) / Sector * Sector);
            extents.Add(new Extent(from, to - from));
        }
        return extents;
    }

    private static List<Extent> Merge(List<Extent> extents)
    {
        extents.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        var merged = new List<Extent>(extents.Count);
        foreach (Extent next in extents)
        {
            if (merged.Count > 0 && merged[merged.Count - 1] is var last && next.Offset <= last.End)
                merged[merged.Count - 1] = new Extent(last.Offset, Math.Max(last.End, next.End) - last.Offset);
            else merged.Add(next);
        }
        return merged;
    }

    private ChangedExtents No(string why) =>
        new(null, $"Of disk '{slot.DiskId}' everything was read: {why}.");
}
