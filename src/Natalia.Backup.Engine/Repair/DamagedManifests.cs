using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Manifests that are there and cannot be read, and what lies among them and is none.</summary>
internal static class DamagedManifests
{
    /// <summary>Plans to make those again that the catalog has copies of.</summary>
    /// <returns>The other ones.</returns>
    internal static async Task<List<Run>> RebuildAsync(RepairView view, RepairPlan plan,
        CancellationToken cancellationToken)
    {
        var rest = new List<Run>();
        foreach (Run run in view.Listed.Where(l => l.Manifest is null).Select(l => l.Run).ToList())
            if (!await RebuildAsync(view, plan, run, cancellationToken).ConfigureAwait(false)) rest.Add(run);
        return rest;
    }

    /// <summary>Decides about those that cannot be made again.</summary>
    internal static async Task PlanAsync(RepairView view, RepairPlan plan, NewestReadable newest,
        IReadOnlyList<Run> unreadable, CancellationToken cancellationToken)
    {
        HashSet<Run> unrecorded = await StrangeManifests.FindUnrecordedAsync(view.ApplianceLog, view.Log, unreadable,
            cancellationToken).ConfigureAwait(false);
        var strange = new List<Run>();
        foreach (Run run in unreadable)
        {
            // A run has a delta before it has a manifest: what has neither that nor a record is no point, whatever its
            // name says. As long as anything cannot be read, its record may be what could not.
            if (unrecorded.Contains(run) && !view.Deltas.Has(run) && view.Unreadable.Count == 0)
                strange.Add(run);
            else
                await DecideAsync(view, plan, newest, run, unrecorded.Contains(run),
                    cancellationToken).ConfigureAwait(false);
        }
        if (strange.Count > 0) await PlanStrangeAsync(view, plan, strange, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<bool> RebuildAsync(RepairView view, RepairPlan plan, Run run,
        CancellationToken cancellationToken)
    {
        string id = run.Id.ToString(), name = Layout.Manifest(view.ApplianceId, run);
        if (view.States.IsRemoved(id)) return false;
        if (!(await view.ReadCatalogAsync(cancellationToken).ConfigureAwait(false)).TryGetValue(id,
            out PointManifest? copy) || copy.Run != run)
            return false;
        (bool Goes, DateTime? LockedUntilUtc) taken = await view.TakeAsync(name,
            cancellationToken).ConfigureAwait(false);
        RepairFinding finding = view.Finding(RepairFindingKind.ManifestDamaged, RepairAction.Rebuilt, name, taken)
            with
        { RestorePointId = id, PointTimeUtc = copy.TimeUtc };
        if (!taken.Goes)
        {
            // Until then nobody can read the point, and nothing that it may need goes.
            plan.LostPoints++;
            view.DamagedManifests.Add(run);
            plan.Add(finding, RepairWords.DamagedManifestRebuiltLater(name));
            return true;
        }
        plan.Add(finding, RepairWords.DamagedManifestRebuilt(name), (hands, stop) =>
            hands.PutManifestAsync(copy, replaces: true, stop));
        view.Listed[view.Listed.FindIndex(l => l.Run == run)] = (run, copy);
        return true;
    }

    private static async Task DecideAsync(RepairView view, RepairPlan plan, NewestReadable newest, Run run,
        bool isUnrecorded, CancellationToken cancellationToken)
    {
        string id = run.Id.ToString(), name = Layout.Manifest(view.ApplianceId, run);
        (DateTime? time, PointOrigin? copyOf) = RepairView.ReadMade(await view.FindMadeAsync(id, run.Sequence,
            cancellationToken).ConfigureAwait(false));
        bool wasRemoved = view.States.IsRemoved(id);
        if (!wasRemoved && !isUnrecorded) plan.LostPoints++;
        string? why = wasRemoved ? null
            : view.Options.RemoveLost && view.Unreadable.Contains(name) && newest.IsAbove(run.Sequence, time)
                && !view.States.IsProtected(id, run.Sequence) ? RepairWords.MayPass
            : newest.FindReasonToKeep(view, id, run.Sequence, time);
        (bool Goes, DateTime? LockedUntilUtc) taken = (true, null);
        if (why is null)
        {
            taken = !wasRemoved && RenewalRecord.Until(view.Renewals, id) is DateTime extended ? (false, extended)
                : await view.TakeAsync(name, cancellationToken).ConfigureAwait(false);
            if (!wasRemoved && !taken.Goes) why = RepairWords.Locked(taken.LockedUntilUtc);
        }
        if (why is not null)
        {
            plan.Add(taken.Goes ? Describe(taken) with { Action = RepairAction.Kept } : Describe(taken),
                RepairWords.DamagedManifestKept(name, why));
            view.DamagedManifests.Add(run);
            return;
        }
        RepairWords words = wasRemoved ? RepairWords.DamagedManifestOfRemoved(name)
            : RepairWords.DamagedManifestGivenUp(name);
        AuditEntry? removal = wasRemoved ? null
            : LostPoints.Removal(view.ApplianceId, id, run.Sequence, "Its manifest cannot be read.", null, copyOf);
        if (removal is not null) plan.RemovedPoints++;
        if (taken.Goes) view.Gone.Add(run);
        plan.Add(Describe(taken), words, async (hands, stop) =>
        {
            if (removal is not null) await hands.RecordRemovalAsync(removal, stop).ConfigureAwait(false);
            // Where a lock keeps it, that is no news.
            return !taken.Goes || await hands.DeleteManifestAsync(run, stop).ConfigureAwait(false);
        }, isDoneBeforeDeletion: true);

        RepairFinding Describe((bool, DateTime?) what) =>
            view.Finding(RepairFindingKind.ManifestDamaged, RepairAction.Removed, name, what)
            with
            { RestorePointId = id, PointTimeUtc = time };
    }

    /// <summary>Tells once of all that lies among the manifests and is none; nobody needs it, and nothing is kept for
    /// it.</summary>
    private static async Task PlanStrangeAsync(RepairView view, RepairPlan plan, List<Run> strange,
        CancellationToken cancellationToken)
    {
        string room = Layout.Manifests(view.ApplianceId), first = Layout.Manifest(view.ApplianceId, strange[0]);
        List<string> names = strange.ConvertAll(run => Layout.Manifest(view.ApplianceId, run));
        string subject = strange.Count == 1 ? first : room;
        bool go = view.Options.RemoveLost;
        RepairWords words = RepairWords.Strange(strange.Count, first, room, go);
        view.Gone.UnionWith(strange);
        if (!go)
        {
            plan.Add(view.Finding(RepairFindingKind.ManifestDamaged, RepairAction.Kept, subject), words);
            return;
        }
        Dictionary<string, DateTime?> locked = await view.TakeAllAsync(names, cancellationToken).ConfigureAwait(false);
        plan.Add(view.Finding(RepairFindingKind.ManifestDamaged, RepairAction.Removed, subject,
            (locked.Count == 0, locked.Values.Max())), locked.Count == 0 ? words : words.Planned,
            (hands, stop) => hands.DeleteAsync(names.Where(n => !locked.ContainsKey(n)).Select(n => (n, 0L)), stop));
    }
}
