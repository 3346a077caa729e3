using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Reclaim;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Packs that are missing or damaged, and that points need.</summary>
internal static class BadPacks
{
    /// <summary>Those of which something that is needed is lost, or may be.</summary>
    internal static IEnumerable<PackState> Of(RepairView view) =>
        view.Inventory.All.Where(p => (p.IsMissing || p.IsSuspect && !CanBeSalvaged(view, p) || IsDisproved(view, p))
            && Live(view, p) is not null);

    internal static async Task PlanAsync(RepairView view, RepairPlan plan, CancellationToken cancellationToken)
    {
        foreach (PackState pack in view.Inventory.All.Where(p => p.IsSuspect && CanBeSalvaged(view, p))
            .OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            if (Live(view, pack) is not OrdinalSet live) continue;
            string name = pack.Objects[0].Name, damage = pack.Bad[name];
            long bytes = pack.Objects[0].Length;
            bool isWhole = await HoldsAllAsync(view, pack, live, cancellationToken).ConfigureAwait(false);
            RepairFinding finding = view.Finding(RepairFindingKind.PackDamaged, isWhole ? RepairAction.Rebuilt
                : RepairAction.Kept, name) with
            { StoredBytes = bytes };
            if (!isWhole)
            {
                plan.Add(finding, RepairWords.PackHoldsAll(name, damage));
                continue;
            }
            plan.FreedBytes += bytes;
            plan.Add(finding, RepairWords.PackSalvaged(name, damage), (hands, stop) =>
                hands.SalvageAsync(pack, live.Contains, stop));
        }
        foreach (PackState pack in Of(view).OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            plan.Add(view.Finding(pack.IsMissing ? RepairFindingKind.PackMissing : RepairFindingKind.PackDamaged,
                RepairAction.Recorded, pack.Name)
                with
            { StoredBytes = pack.IsMissing ? pack.Info?.Bytes ?? 0 : pack.StoredBytes },
                pack.IsMissing ? RepairWords.PackMissing(pack.Name)
                    : RepairWords.PackDamaged(pack.Objects[0].Name, pack.IsSuspect ? pack.Bad[pack.Objects[0].Name]
                        : RepairWords.OtherContent));
        }
    }

    /// <summary>It looks whole, and holds something else than the block maps name.</summary>
    private static bool IsDisproved(RepairView view, PackState pack) => pack.IsToProve && !pack.IsMissing
        && !pack.IsSuspect && view.Analysis.Losses.Packs.Contains((pack.Area, pack.Run, pack.Number));

    /// <summary>All that is needed of it was read and is whole. A locked object would stand before its replacement
    /// until its date.</summary>
    private static bool CanBeSalvaged(RepairView view, PackState pack) => view.Core.Store.ObjectLock is null
        && !view.Analysis.Losses.Packs.Contains((pack.Area, pack.Run, pack.Number));

    /// <summary>Whether the copy can be made. It is tried, without keeping it: pieces of a pack can be had of a medium
    /// that does not give the whole of it.</summary>
    private static async Task<bool> HoldsAllAsync(RepairView view, PackState pack, OrdinalSet live,
        CancellationToken cancellationToken)
    {
        try
        {
            return await PackSalvage.ReadAsync(view.Core, pack, live.Contains, view.ApplianceId,
                cancellationToken).ConfigureAwait(false) is not null;
        }
        catch (NataliaException unreadable) when (Damage.Is(unreadable))
        {
            return false;
        }
    }

    private static OrdinalSet? Live(RepairView view, PackState pack) =>
        view.Analysis.Marks.Find(pack.Area, pack.Run, pack.Number);
}
