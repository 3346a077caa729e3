using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Deltas that are lost, or do not tell what died with their runs: made again from the block maps.</summary>
internal static class Deltas
{
    internal static async Task PlanAsync(RepairView view, RepairPlan plan, CancellationToken cancellationToken)
    {
        HashSet<Run> standIns = await PlanStandInsAsync(view, plan, cancellationToken).ConfigureAwait(false);
        TellForks(view, plan);
        await PlanDamagedAsync(view, plan, standIns, cancellationToken).ConfigureAwait(false);
    }

    private static void TellForks(RepairView view, RepairPlan plan)
    {
        foreach ((Run lower, Run upper) in view.Analysis.Forks)
        {
            bool isMended = view.Analysis.MissingDeltas.Exists(m => m.Manifest.Run == upper && m.CanBeMade);
            string fork = Forks.Describe(lower, upper);
            plan.Add(view.Finding(RepairFindingKind.HistoryForked, isMended ? RepairAction.Rebuilt : RepairAction.Kept,
                Layout.Manifest(view.ApplianceId, upper)) with
            { RestorePointId = upper.Id.ToString() },
                isMended ? RepairWords.ForkMended(fork) : lower.Sequence == upper.Sequence
                    ? RepairWords.ForkOfTwins(fork, Forks.Remedy(lower, upper)) : RepairWords.ForkKept(fork));
        }
    }

    /// <returns>The runs whose deltas something will stand in for.</returns>
    private static async Task<HashSet<Run>> PlanStandInsAsync(RepairView view, RepairPlan plan,
        CancellationToken cancellationToken)
    {
        var standIns = new HashSet<Run>();
        // From below: as long as one is missing, the line is still forked above it, and nothing is freed.
        foreach (MissingDelta missing in view.Analysis.MissingDeltas.OrderBy(m => m.Manifest.Run.Sequence))
        {
            Run run = missing.Manifest.Run;
            string name = Layout.Delta(view.ApplianceId, run);
            if (!missing.CanBeMade)
            {
                if (missing.IsDeltaLost)
                    plan.Add(view.Finding(RepairFindingKind.DeltaLost, RepairAction.Kept, name),
                        RepairWords.DeltaKept(name));
                continue;
            }
            var delta = new RunDelta(view.ApplianceId, run, missing.After,
                await ListPacksAsync(view, run, cancellationToken).ConfigureAwait(false));
            plan.Add(view.Finding(missing.IsDeltaLost ? RepairFindingKind.DeltaLost
                : RepairFindingKind.DeadListIncomplete, RepairAction.Rebuilt, name),
                RepairWords.DeltaRebuilt(name, missing.SaysTooMuch, missing.IsDeltaLost), (hands, stop) =>
                    hands.WriteStandInAsync(delta, missing.Dead, stop));
            standIns.Add(run);
        }
        return standIns;
    }

    /// <summary>A damaged delta that something stands in for, or whose run has no manifest, tells nothing to
    /// anybody.</summary>
    private static async Task PlanDamagedAsync(RepairView view, RepairPlan plan, HashSet<Run> standIns,
        CancellationToken cancellationToken)
    {
        HashSet<Run> manifests = [.. view.Analysis.Walks.Select(w => w.Run), .. view.DamagedManifests];
        foreach (Run run in view.Inventory.BadDeltas.Keys.OrderBy(r => r.Sequence)
            .ThenBy(r => r.ToString(), StringComparer.Ordinal))
        {
            string name = Layout.Delta(view.ApplianceId, run);
            bool isReplaced = standIns.Contains(run) || view.Deltas.StandIns(run).Count > 0;
            // The finding was told above, or the point may come back.
            bool isTold = manifests.Contains(run) || view.LostManifests.Exists(m => m.Sequence == run.Sequence);
            if (isTold && !isReplaced) continue;
            if (!isTold && view.Unreadable.Contains(name))
            {
                plan.Add(view.Finding(RepairFindingKind.DeltaLost, RepairAction.Kept, name),
                    RepairWords.DeltaUnreadable(name));
                continue;
            }
            (bool Goes, DateTime? LockedUntilUtc) taken = await view.TakeAsync(name,
                cancellationToken).ConfigureAwait(false);
            RepairDeed? deed = taken.Goes ? (hands, stop) => hands.DeleteAsync(name, 0, stop) : null;
            if (!isTold)
                plan.Add(view.Finding(RepairFindingKind.DeltaLost, RepairAction.Removed, name, taken),
                    RepairWords.DeltaNeedless(name, view.Inventory.BadDeltas[run]), deed);
            else if (deed is not null) plan.Add(deed);
        }
    }

    /// <summary>The packs of a run as its delta listed them, or as they lie.</summary>
    private static async Task<IReadOnlyList<PackInfo>> ListPacksAsync(RepairView view, Run run,
        CancellationToken cancellationToken)
    {
        var packs = new List<PackInfo>();
        foreach (PackState pack in view.Inventory.All.Where(p => p.Run == run).OrderBy(p => p.Area)
            .ThenBy(p => p.Number))
        {
            if (pack.Info is PackInfo info) packs.Add(info);
            else if (!pack.IsMissing && !pack.IsSuspect && pack.Objects[0].Name == pack.Name
                && pack.Envelope is Envelope envelope)
            {
                var trailer = new byte[Envelope.TrailerLength];
                await view.Core.Store.ReadAsync(pack.Name, pack.Objects[0].Length - trailer.Length, trailer,
                    cancellationToken).ConfigureAwait(false);
                packs.Add(new PackInfo(pack.Area, pack.Number, envelope.Id, pack.Objects[0].Length,
                    envelope.Segments.Length, Hash256.Read(trailer)));
            }
        }
        return packs;
    }
}
