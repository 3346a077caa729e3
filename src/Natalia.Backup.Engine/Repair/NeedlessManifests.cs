using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Manifests that can be read and that nobody wants any more.</summary>
internal static class NeedlessManifests
{
    /// <summary>Checkpoints that a newer point made needless.</summary>
    internal static async Task PlanCheckpointsAsync(RepairView view, RepairPlan plan,
        CancellationToken cancellationToken)
    {
        long newest = view.Listed.Where(l => l.Manifest is { Incomplete: false }).Select(l => l.Run.Sequence)
            .DefaultIfEmpty(0).Max();
        foreach ((Run run, _) in view.Listed.Where(l => l.Manifest is { Incomplete: true } && l.Run.Sequence < newest)
            .OrderBy(l => l.Run.Sequence).ToList())
        {
            string name = Layout.Manifest(view.ApplianceId, run);
            (bool Goes, DateTime? LockedUntilUtc) taken = await view.TakeAsync(name,
                cancellationToken).ConfigureAwait(false);
            plan.Add(view.Finding(RepairFindingKind.StaleCheckpoint, RepairAction.Removed, name, taken),
                RepairWords.StaleCheckpoint(name),
                taken.Goes ? (hands, stop) => hands.DeleteManifestAsync(run, stop) : null);
            if (taken.Goes) view.Gone.Add(run);
        }
    }

    /// <summary>
    /// A manifest that was put back after a repair gave its point up, and its packs with it, is no loss and needs
    /// nothing stored again: it goes. So does one whose removal is so long ago that no reader is left.
    /// Never the newest one of a disk: the next backup is compared with it.
    /// </summary>
    /// <returns>True when one goes.</returns>
    internal static async Task<bool> PlanGivenUpAsync(RepairView view, RepairPlan plan,
        CancellationToken cancellationToken)
    {
        var disksAbove = new HashSet<string>(StringComparer.Ordinal);
        bool any = false;
        // What could not be read, or is not there as a whole, may be there tomorrow.
        if (view.Unreadable.Count > 0 || view.FindEmptyRoom() is not null) return false;
        foreach (PointWalk walk in view.Analysis.Walks)
        {
            bool isNewestOfADisk = walk.Manifest.Disks.Any(d => !disksAbove.Contains(d.DiskId));
            disksAbove.UnionWith(walk.Manifest.Disks.Select(d => d.DiskId));
            if (!walk.IsLost || isNewestOfADisk || walk.Manifest.Incomplete
                || view.States.Removal(walk.Manifest.PointId) is not AuditRecord removal)
                continue;
            if (view.IsInUse(walk.Manifest.PointId)
                || await MayHaveReadersAsync(view, removal, cancellationToken).ConfigureAwait(false))
                continue;
            string name = Layout.Manifest(view.ApplianceId, walk.Run);
            (bool Goes, DateTime? LockedUntilUtc) taken = await view.TakeAsync(name,
                cancellationToken).ConfigureAwait(false);
            plan.Add(view.Finding(RepairFindingKind.UnneededSpace, RepairAction.Removed, name, taken)
                with
            { RestorePointId = walk.Manifest.PointId, PointTimeUtc = walk.Manifest.TimeUtc },
                RepairWords.GivenUpBefore(name, RepairWords.Point(walk), removal.TimeUtc), taken.Goes ? (hands, stop) =>
                    hands.DeleteManifestAsync(walk.Run, stop) : null);
            if (!taken.Goes) continue;
            view.Gone.Add(walk.Run);
            any = true;
        }
        return any;
    }

    private static async Task<bool> MayHaveReadersAsync(RepairView view, AuditRecord removal,
        CancellationToken cancellationToken) =>
        removal.Reason?.StartsWith(LostPoints.ByRepair, StringComparison.Ordinal) != true
        && await RemovalRecord.FindTimeAsync(view.ApplianceLog, removal, view.Core.Clock,
            cancellationToken).ConfigureAwait(false) + PackSweep.DefaultGrace > view.Core.Clock.UtcNow();
}
