using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Points that the log knows as made and not as removed, and whose manifest is not there. All that they may
/// need stays until they are given up.</summary>
internal static class LostManifests
{
    internal static async Task PlanAsync(RepairView view, RepairPlan plan, NewestReadable newest,
        CancellationToken cancellationToken)
    {
        var present = new HashSet<long>(view.Listed.Select(l => l.Run.Sequence));
        foreach (AuditName name in view.Log.Where(n => n.Event == AuditEvents.PointMade
            && !present.Contains(n.Sequence)))
        {
            if ((await view.ApplianceLog.ReadAllAsync([name],
                cancellationToken).ConfigureAwait(false))[0] is not AuditRecord made)
                continue;
            if (made.RestorePointId is not string id || view.States.IsRemoved(id)) continue;
            if ((await view.ReadCatalogAsync(cancellationToken).ConfigureAwait(false)).TryGetValue(id,
                out PointManifest? copy) && copy.Run.Sequence == name.Sequence)
            {
                plan.Add(view.Finding(RepairFindingKind.ManifestMissing, RepairAction.Rebuilt,
                    Layout.Manifest(view.ApplianceId, copy.Run))
                    with
                { RestorePointId = id, PointTimeUtc = copy.TimeUtc },
                    RepairWords.MissingManifestRebuilt(name.Sequence, id), (hands, stop) =>
                        hands.PutManifestAsync(copy, replaces: false, stop));
                view.Listed.Add((copy.Run, copy));
                continue;
            }
            Give(view, plan, newest, made, id, name.Sequence);
        }
    }

    private static void Give(RepairView view, RepairPlan plan, NewestReadable newest, AuditRecord made, string id,
        long sequence)
    {
        (DateTime? time, PointOrigin? copyOf) = RepairView.ReadMade(made);
        bool isOld = newest.IsAbove(sequence, time), givenUp = view.Options.RemoveLost && isOld
            && !view.States.IsProtected(id, sequence);
        RepairFinding finding = view.Finding(RepairFindingKind.ManifestMissing, givenUp ? RepairAction.Removed
            : RepairAction.Kept, Layout.Manifests(view.ApplianceId))
            with
        { RestorePointId = id, PointTimeUtc = time };
        plan.LostPoints++;
        if (!givenUp)
        {
            string why = !view.Options.RemoveLost ? RepairWords.GivenUpOnDemand : isOld ? RepairWords.Protected
                : RepairWords.NoNewerPoint;
            plan.Add(finding, RepairWords.MissingManifestKept(sequence, id, why));
            view.LostManifests.Add(made);
            return;
        }
        plan.RemovedPoints++;
        AuditEntry removal = LostPoints.Removal(view.ApplianceId, id, sequence, "Its manifest is missing.", null,
            copyOf);
        plan.Add(finding, RepairWords.MissingManifestGivenUp(sequence, id), (hands, stop) =>
            hands.RecordRemovalAsync(removal, stop));
    }
}

/// <summary>The newest point that can be read. Nothing is given up behind it: a folder that was not mounted, or not
/// copied yet, looks just like a loss.</summary>
internal sealed record NewestReadable(long Sequence, DateTime TimeUtc)
{
    internal static NewestReadable Of(RepairView view)
    {
        List<PointManifest> readable = [.. view.Listed.Where(l => l.Manifest is { Incomplete: false } m
            && !view.States.IsRemoved(m.PointId)).Select(l => l.Manifest!)];
        return new NewestReadable(readable.Select(m => m.Run.Sequence).DefaultIfEmpty(0).Max(),
            readable.Select(m => m.TimeUtc).DefaultIfEmpty(DateTime.MinValue).Max());
    }

    internal bool IsAbove(long sequence, DateTime? timeUtc) => sequence < Sequence && !(timeUtc > TimeUtc);
}
