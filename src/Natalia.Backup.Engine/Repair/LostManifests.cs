using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Points that the log knows as made and not as removed, and whose manifest is not there. All that they may
/// need stays until they are given up.</summary>
internal static class LostManifests
{
    /// <summary>Plans to make those again that the catalog has copies of.</summary>
    /// <returns>The records of the other ones.</returns>
    internal static async Task<List<AuditRecord>> RebuildAsync(RepairView view, RepairPlan plan,
        CancellationToken cancellationToken)
    {
        var rest = new List<AuditRecord>();
        foreach (AuditRecord made in await FindAsync(view, cancellationToken).ConfigureAwait(false))
        {
            string id = made.RestorePointId!;
            long sequence = made.Sequence!.Value;
            if (!(await view.ReadCatalogAsync(cancellationToken).ConfigureAwait(false)).TryGetValue(id,
                out PointManifest? copy) || copy.Run.Sequence != sequence)
            {
                rest.Add(made);
                continue;
            }
            plan.Add(view.Finding(RepairFindingKind.ManifestMissing, RepairAction.Rebuilt,
                Layout.Manifest(view.ApplianceId, copy.Run))
                with
            { RestorePointId = id, PointTimeUtc = copy.TimeUtc },
                RepairWords.MissingManifestRebuilt(sequence, id), (hands, stop) =>
                    hands.PutManifestAsync(copy, replaces: false, stop));
            view.Listed.Add((copy.Run, copy));
        }
        return rest;
    }

    private static async Task<IEnumerable<AuditRecord>> FindAsync(RepairView view, CancellationToken cancellationToken)
    {
        HashSet<Run> there = [.. view.Listed.Select(l => l.Run)];
        // What bears the name of a manifest and is none must not stand before the point whose number it took.
        List<AuditName> names = MissingManifests.Suspect(view.Log,
            view.Listed.Where(l => l.Manifest is { Incomplete: false }).Select(l => l.Run));
        return (await view.ApplianceLog.ReadAllAsync(names, cancellationToken).ConfigureAwait(false))
            .Where(made => made is { RestorePointId: string id, Sequence: not null }
                && !MissingManifests.IsThere(made, there) && !view.States.IsRemoved(id))
            .GroupBy(made => made!.RestorePointId).Select(point => point.First()!);
    }

    /// <summary>Decides about those that cannot be made again.</summary>
    internal static void Plan(RepairView view, RepairPlan plan, NewestReadable newest, IEnumerable<AuditRecord> lost)
    {
        foreach (AuditRecord made in lost) Decide(view, plan, newest, made, made.RestorePointId!, made.Sequence!.Value);
    }

    private static void Decide(RepairView view, RepairPlan plan, NewestReadable newest, AuditRecord made, string id,
        long sequence)
    {
        (DateTime? time, PointOrigin? copyOf) = RepairView.ReadMade(made);
        string? why = newest.FindReasonToKeep(view, id, sequence, time);
        DateTime? locked = why is null ? RenewalRecord.Until(view.Renewals, id) : null;
        if (locked is not null) why = RepairWords.Locked(locked);
        RepairFinding finding = view.Finding(RepairFindingKind.ManifestMissing, why is null ? RepairAction.Removed
            : RepairAction.Kept, Layout.Manifests(view.ApplianceId))
            with
        { RestorePointId = id, PointTimeUtc = time };
        plan.LostPoints++;
        if (why is not null)
        {
            if (locked is not null) finding = finding with { Action = RepairAction.Locked, LockedUntilUtc = locked };
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

    /// <summary>Why a point whose manifest cannot be had is not given up, whatever locks say; null where it
    /// is.</summary>
    internal string? FindReasonToKeep(RepairView view, string restorePointId, long sequence, DateTime? timeUtc) =>
        !view.Options.RemoveLost ? RepairWords.GivenUpOnDemand
        : view.States.IsProtected(restorePointId, sequence) ? RepairWords.Protected
        : !IsAbove(sequence, timeUtc) ? RepairWords.NoNewerPoint
        : view.FindReasonToWait();
}
