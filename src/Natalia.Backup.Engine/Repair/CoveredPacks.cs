using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Damaged objects that stand before a whole one that holds the same pack: without them, readers take the
/// whole one.</summary>
internal static class CoveredPacks
{
    /// <returns>Whether packs look different now.</returns>
    internal static async Task<bool> PlanAsync(RepairView view, RepairPlan plan, HashSet<string> told,
        CancellationToken cancellationToken)
    {
        bool changed = false;
        foreach (PackState pack in view.Inventory.All.Where(p => p.InTheWay.Any(o => !told.Contains(o.Name)))
            .OrderBy(p => p.Name, StringComparer.Ordinal).ToList())
        {
            StoredObject whole = pack.Objects[pack.InTheWay.Count];
            if (!await IsWholeAsync(view, whole.Name, cancellationToken).ConfigureAwait(false))
            {
                view.Rotten[whole.Name] = "It is not whole.";
                changed = true;
                continue;
            }
            foreach (StoredObject bad in pack.InTheWay.Where(o => told.Add(o.Name)))
            {
                (bool Goes, DateTime? LockedUntilUtc) taken = await view.TakeAsync(bad.Name,
                    cancellationToken).ConfigureAwait(false);
                RepairFinding finding = view.Finding(RepairFindingKind.PackDamaged, RepairAction.Removed, bad.Name,
                    taken) with
                { StoredBytes = bad.Length };
                changed |= taken.Goes;
                if (!taken.Goes)
                {
                    plan.Add(finding, RepairWords.PackCoveredAndLocked(bad.Name, pack.Bad[bad.Name], whole.Name));
                    continue;
                }
                plan.FreedBytes += bad.Length;
                plan.Add(finding, RepairWords.PackCovered(bad.Name, pack.Bad[bad.Name], whole.Name), (hands, stop) =>
                    hands.UncoverAsync(bad, whole.Name, stop));
            }
        }
        return changed;
    }

    private static async Task<bool> IsWholeAsync(RepairView view, string name, CancellationToken cancellationToken) =>
        await new Reclaim.PackSweep(view.Core, view.ApplianceId, Reclaim.PackSweep.DefaultGrace).IsWholeAsync(name,
            cancellationToken).ConfigureAwait(false);
}
