using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Makes the plan of one appliance's repair, step by step. Each step sees the repository as those before it
/// will leave it. Reads only.</summary>
internal static class RepairPlanner
{
    /// <param name="view">The appliance's part.</param>
    /// <param name="isLogBroken">Records are missing in its log.</param>
    /// <param name="mayBeWritten">A run may be at work.</param>
    internal static async Task<RepairPlan> MakeAsync(RepairView view, bool isLogBroken, bool mayBeWritten,
        CancellationToken cancellationToken)
    {
        var plan = new RepairPlan();
        await view.LoadPacksAsync(cancellationToken).ConfigureAwait(false);
        var covered = new HashSet<string>(StringComparer.Ordinal);
        while (await CoveredPacks.PlanAsync(view, plan, covered, cancellationToken).ConfigureAwait(false))
            await view.LoadPacksAsync(cancellationToken).ConfigureAwait(false);

        await view.LoadManifestsAsync(cancellationToken).ConfigureAwait(false);
        NewestReadable newest = NewestReadable.Of(view);
        List<AuditRecord> missing = await LostManifests.RebuildAsync(view, plan,
            cancellationToken).ConfigureAwait(false);
        List<Run> damaged = await DamagedManifests.RebuildAsync(view, plan, cancellationToken).ConfigureAwait(false);
        // What the store does not give of the maps shows only when all were walked; a reading of every byte has
        // seen it before. Nobody is given up as long as anything cannot be read.
        if (view.Options is { RemoveLost: true, Full: false } && missing.Count + damaged.Count > 0)
            await view.AnalyzeAsync(cancellationToken).ConfigureAwait(false);
        LostManifests.Plan(view, plan, newest, missing);
        await DamagedManifests.PlanAsync(view, plan, newest, damaged, cancellationToken).ConfigureAwait(false);
        await NeedlessManifests.PlanCheckpointsAsync(view, plan, cancellationToken).ConfigureAwait(false);

        await view.AnalyzeAsync(cancellationToken).ConfigureAwait(false);
        if (await NeedlessManifests.PlanGivenUpAsync(view, plan, cancellationToken).ConfigureAwait(false))
            await view.AnalyzeAsync(cancellationToken).ConfigureAwait(false);
        HashSet<Run>? lostAtFirst = await LookTwiceAsync(view, cancellationToken).ConfigureAwait(false);
        int before = view.Gone.Count;
        await new LostPoints(view, plan, lostAtFirst).PlanAsync(cancellationToken).ConfigureAwait(false);
        // Without the points that go, more is free: what they alone needed, and what they hid.
        if (view.Gone.Count > before) await view.AnalyzeAsync(cancellationToken).ConfigureAwait(false);

        await BadPacks.PlanAsync(view, plan, cancellationToken).ConfigureAwait(false);
        await Deltas.PlanAsync(view, plan, cancellationToken).ConfigureAwait(false);
        await new Unneeded(view, plan, isLogBroken, mayBeWritten).PlanAsync(cancellationToken).ConfigureAwait(false);
        return plan;
    }

    /// <summary>Nothing is given up that was not looked for twice: an optimization may have moved it under our
    /// eyes.</summary>
    /// <returns>What the first look found lost; null without a second one.</returns>
    private static async Task<HashSet<Run>?> LookTwiceAsync(RepairView view, CancellationToken cancellationToken)
    {
        if (!view.Options.RemoveLost || !view.Analysis.Walks.Exists(w => w.IsLost)) return null;
        HashSet<Run> lost = [.. view.Analysis.Walks.Where(w => w.IsLost).Select(w => w.Run)];
        await view.LoadPacksAsync(cancellationToken).ConfigureAwait(false);
        await view.AnalyzeAsync(cancellationToken).ConfigureAwait(false);
        return lost;
    }
}
