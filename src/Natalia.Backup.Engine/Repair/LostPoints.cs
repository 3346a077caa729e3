using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Counts and names the points whose maps were walked, notes the damage in the log, and gives those up that
/// are lost where that is asked for.</summary>
/// <param name="view">What there is.</param>
/// <param name="plan">Where it is planned.</param>
/// <param name="lostAtFirst">What a look before this one found lost; null without one.</param>
internal sealed class LostPoints(RepairView view, RepairPlan plan, HashSet<Run>? lostAtFirst)
{
    /// <summary>What the reason of a removal begins with that a repair was asked for.</summary>
    internal const string ByRepair = "A repair: ";

    private const int MaximumExtents = 1000;

    /// <summary>Records that a point is given up because it is lost. Its manifest, where it can be read, tells what it
    /// was; else the record of its making does.</summary>
    internal static AuditEntry Removal(string applianceId, string restorePointId, long sequence, string reason,
        PointManifest? manifest, PointOrigin? copyOf) =>
        RemovalRecord.Entry(applianceId, restorePointId, sequence, ByRepair + reason, isLost: true,
            manifest?.ApplianceName, manifest?.TimeUtc, manifest is not null ? manifest.CopyOf : copyOf);

    internal async Task PlanAsync(CancellationToken cancellationToken)
    {
        List<PointWalk> points = view.Analysis.Walks.FindAll(w => !w.Manifest.Incomplete
            && !view.States.IsRemoved(w.Manifest.PointId));
        plan.WholePoints = points.Count(p => !p.IsLost);
        plan.LostPoints += points.Count(p => p.IsLost);
        NoteDamage();
        string? newest = IndispensablePoints.Of(points.Select(p => new RetentionPoint
        {
            RestorePointId = p.Manifest.PointId,
            TimeUtc = p.Manifest.TimeUtc,
            Sequence = p.Run.Sequence,
            IsGood = !p.IsLost,
            IsInFuture = view.Core.Clock.IsInFuture(p.Manifest.TimeUtc),
        })).Newest?.RestorePointId;
        var disksAbove = new HashSet<string>(StringComparer.Ordinal);
        var going = new List<Run>();
        foreach (PointWalk walk in view.Analysis.Walks)
        {
            bool isNewestOfADisk = walk.Manifest.Disks.Any(d => !disksAbove.Contains(d.DiskId));
            disksAbove.UnionWith(walk.Manifest.Disks.Select(d => d.DiskId));
            if (!walk.IsLost || !points.Contains(walk)) continue;
            (RepairAction action, RepairWords fate, DateTime? locked) = DecideFate(walk, newest);
            if (action != RepairAction.Removed)
            {
                Tell(walk, action, fate, locked);
                continue;
            }
            plan.RemovedPoints++;
            view.GivenUp.Add(walk.Run);
            AuditEntry removal = Removal(view.ApplianceId, walk.Manifest.PointId, walk.Run.Sequence,
                "It is lost, and was given up.", walk.Manifest, null);
            plan.Add((hands, stop) => hands.RecordRemovalAsync(removal, stop));
            // Not told before it is recorded: a repair that is stopped in between tells of what it did.
            Tell(walk, action, fate, locked);
            // What the next backup of a disk is compared with stays until there is a newer one.
            if (!isNewestOfADisk) going.Add(walk.Run);
        }
        if (going.Count == 0) return;
        plan.Add((hands, stop) => hands.FlushAsync(stop));
        foreach (Run run in going)
        {
            if (await view.TakeAsync(Layout.Manifest(view.ApplianceId, run),
                cancellationToken).ConfigureAwait(false) is not (true, _))
                continue;
            view.Gone.Add(run);
            plan.Add((hands, stop) => hands.DeleteManifestAsync(run, stop));
        }
    }

    private void Tell(PointWalk walk, RepairAction action, RepairWords fate, DateTime? locked)
    {
        RepairFinding finding = Describe(walk, RepairFindingKind.PointLost, action) with { LockedUntilUtc = locked };
        foreach ((ManifestDisk disk, LossMap.Loss loss) in walk.LostDisks)
        {
            long bytes = Math.Min(loss.Blocks * BlockGeometry.BlockBytes, disk.SizeBytes);
            plan.Add(finding with
            {
                DiskId = disk.DiskId,
                BytesLost = bytes,
                LostExtents = view.Analysis.Losses.Extents(disk.Root, disk.SizeBytes, MaximumExtents)
            },
                RepairWords.DiskLost(bytes, disk.DiskId, RepairWords.Point(walk), walk.LostCompanions, fate));
        }
        if (walk.LostCompanions.Count > 0 && walk.LostDisks.Count == 0)
            plan.Add(finding, RepairWords.CompanionsLost(RepairWords.Point(walk), walk.LostCompanions, fate));
    }

    private (RepairAction Action, RepairWords Fate, DateTime? LockedUntil) DecideFate(PointWalk walk, string? newest)
    {
        if (!view.Options.RemoveLost)
            return (RepairAction.Recorded, RepairWords.FateMarked(walk.LostDisks.Count > 0), null);
        // What could not be read may be read tomorrow.
        if (view.Unreadable.FirstOrDefault() is string unreadable)
            return (RepairAction.Recorded, RepairWords.FateUnreadable(unreadable), null);
        if (walk.LostDisks.Count == 0) return (RepairAction.Recorded, RepairWords.FateWholeDisks, null);
        if (view.FindEmptyRoom() is string room) return (RepairAction.Recorded, RepairWords.FateEmptyRoom(room), null);
        if (lostAtFirst is not null && !lostAtFirst.Contains(walk.Run))
            return (RepairAction.Recorded, RepairWords.FateWholeBefore, null);
        if (walk.Manifest.PointId == newest) return (RepairAction.Recorded, RepairWords.FateNewest, null);
        if (view.States.IsProtected(walk.Manifest.PointId, walk.Run.Sequence))
            return (RepairAction.Recorded, RepairWords.FateProtected, null);
        if (view.IsInUse(walk.Manifest.PointId))
            return (RepairAction.Recorded, RepairWords.FateInUse, null);
        DateTime until = view.Core.Store.ObjectLock is null
            ? DateTime.MinValue
            : walk.Manifest.ImmutableUntilUtc ?? DateTime.MinValue;
        if (RenewalRecord.Until(view.Renewals, walk.Manifest.PointId) is DateTime extended && extended > until)
            until = extended;
        return until > view.Core.Clock.UtcNow() ? (RepairAction.Locked, RepairWords.FateLocked(until), until)
            : (RepairAction.Removed, RepairWords.FateRemoved, null);
    }

    /// <summary>What is lost is noted, so that nobody takes it for good and the next backup reads everything again and
    /// stores what is missing; what came back is noted, too.</summary>
    private void NoteDamage()
    {
        DamageState known = view.KnownDamage;
        List<PackState> bad = [.. BadPacks.Of(view)];
        List<string> packs = [.. bad.Select(p => p.Name).Where(n => !known.Packs.Contains(n))
            .OrderBy(n => n, StringComparer.Ordinal)];
        List<long> points = [.. view.Analysis.Walks.Where(w => w.IsLost && !view.States.IsRemoved(w.Manifest.PointId)
            && !known.Points.ContainsKey(w.Run.Sequence)).Select(w => w.Run.Sequence).Distinct()];
        if (packs.Count + points.Count > 0)
        {
            var damage = new DamageNote(false, LeansOnLoss(), packs, points,
                $"A repair found {Plural.Count(packs.Count, "pack")} missing or damaged, and "
                + $"{Plural.Count(points.Count, "point")} that "
                + $"{Plural.Of(points.Count, "needs", "need")} what is lost.");
            plan.Add((hands, stop) => hands.RecordDamageAsync(damage, stop));
        }
        // Only who has read every byte may say that something is whole again.
        if (!view.Options.Full) return;
        var badNames = new HashSet<string>(bad.Select(p => p.Name), StringComparer.Ordinal);
        var there = new HashSet<string>(view.Inventory.All.Where(p => !p.IsMissing && !p.IsSuspect).Select(p => p.Name),
            StringComparer.Ordinal);
        List<string> wholePacks = [.. known.Packs.Where(n => !badNames.Contains(n) && there.Contains(n))];
        // The log knows damage by sequences, and two points may have one: as long as the one is lost, it stays known.
        var lost = new HashSet<long>(view.Analysis.Walks.Where(w => w.IsLost).Select(w => w.Run.Sequence));
        List<PointWalk> whole = view.Analysis.Walks.FindAll(w => !lost.Contains(w.Run.Sequence)
            && known.Points.ContainsKey(w.Run.Sequence));
        if (wholePacks.Count + whole.Count == 0) return;
        var healed = new DamageNote(true, false, wholePacks, [.. whole.Select(w => w.Run.Sequence).Distinct()],
            $"A repair read every byte and found {Plural.Count(whole.Count, "point")} whole again.");
        plan.Add((hands, stop) => hands.RecordDamageAsync(healed, stop));
        foreach (PointWalk walk in whole)
            plan.Add(Describe(walk, RepairFindingKind.PointHealed, RepairAction.Recorded),
                RepairWords.Healed(RepairWords.Point(walk)));
    }

    /// <summary>Whether the next backup of any disk would take over what is lost, did it read only what
    /// changed.</summary>
    private bool LeansOnLoss()
    {
        var disksAbove = new HashSet<string>(StringComparer.Ordinal);
        bool leans = false;
        foreach (PointWalk walk in view.Analysis.Walks)
        {
            foreach (ManifestDisk disk in walk.Manifest.Disks.Where(d => disksAbove.Add(d.DiskId)))
                leans |= walk.LostDisks.Exists(l => l.Disk == disk);
        }
        return leans;
    }

    private RepairFinding Describe(PointWalk walk, RepairFindingKind kind, RepairAction action) =>
        view.Finding(kind, action, Layout.Manifest(view.ApplianceId, walk.Run))
            with
        { RestorePointId = walk.Manifest.PointId, PointTimeUtc = walk.Manifest.TimeUtc };
}
