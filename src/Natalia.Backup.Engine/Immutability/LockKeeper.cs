using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>
/// Keeps what a new point needs locked for as long as the policy says. What its parents needed is known to be locked until their date; while that is late enough nothing is asked of the store.
/// Else, once in a <see cref="ImmutabilityPolicy.Margin"/>, the maps are walked and every pack's lock is extended and read back.
/// </summary>
internal sealed class LockKeeper(RepositoryCore core, string applianceId)
{
    /// <summary>Locks are extended one request each; this many at once.</summary>
    private const int RequestsAtOnce = 8;

    /// <summary>Makes sure of the locks of everything that a point needs.</summary>
    /// <param name="disks">The point's maps, all their packs stored.</param>
    /// <param name="configuration">The point's configuration.</param>
    /// <param name="runStartedUtc">When the run began to store: its own objects are locked from then at the earliest.</param>
    /// <param name="parentsUntilUtc">Until when everything that the parents needed is locked; null when there is no parent, which needs nothing of earlier runs.</param>
    /// <param name="hasParent">Whether the point may share anything with an earlier one.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>Until when everything that the point needs is locked, verified; null where the repository is not immutable.</returns>
    internal async Task<DateTime?> SecureAsync(IReadOnlyList<MapRoot> disks, Reference? configuration, DateTime runStartedUtc, DateTime? parentsUntilUtc, bool hasParent, CancellationToken cancellationToken)
    {
        if (core.Immutability is not ImmutabilityPolicy policy || core.Store.ObjectLock is not IObjectLock locks) return null;
        DateTime own = policy.RetainUntil(runStartedUtc), wanted = core.Clock.UtcNow() + policy.Period;
        DateTime shared = !hasParent ? own : parentsUntilUtc ?? DateTime.MinValue;
        DateTime verified = own < shared ? own : shared;
        if (verified >= wanted) return verified;

        HashSet<string> names = await FindNeededAsync(disks, configuration, cancellationToken).ConfigureAwait(false);
        names.Add(Layout.Settings);
        foreach (StoredObject slot in await core.Store.ListAllAsync(Layout.Keys, cancellationToken).ConfigureAwait(false)) names.Add(slot.Name);
        DateTime until = policy.RetainUntil(core.Clock.UtcNow());
        using var slots = new SemaphoreSlim(RequestsAtOnce);
        DateTime[] dates = await Task.WhenAll(names.Select(async name =>
        {
            await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return await locks.ExtendAsync(name, until, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                slots.Release();
            }
        })).ConfigureAwait(false);
        return dates.Min();
    }

    /// <summary>The names of all packs that the maps reach.</summary>
    private async Task<HashSet<string>> FindNeededAsync(IReadOnlyList<MapRoot> disks, Reference? configuration, CancellationToken cancellationToken)
    {
        var packs = new HashSet<(PackArea, Run, int)>();
        if (configuration is not null) packs.Add((PackArea.Meta, configuration.Run, configuration.Pack));
        PackReader reader = core.PackReader(applianceId);
        using var codec = new SegmentCodec();
        foreach (MapRoot root in disks)
        {
            if (root.Reference is not null) await MarkAsync(new MapReader(reader, root), root.Reference, root.Level).ConfigureAwait(false);
        }
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach ((PackArea area, Run run, int pack) in packs) names.Add((await reader.GetDirectoryAsync(area, run, pack, cancellationToken).ConfigureAwait(false)).ObjectName);
        return names;

        async Task MarkAsync(MapReader map, Reference reference, int level)
        {
            cancellationToken.ThrowIfCancellationRequested();
            packs.Add((PackArea.Meta, reference.Run, reference.Pack));
            MapNode node = await map.ReadAsync(reference, level, codec, cancellationToken).ConfigureAwait(false);
            for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
            {
                if (node[slot] is not Reference child) continue;
                if (level == 0) packs.Add((PackArea.Data, child.Run, child.Pack));
                else await MarkAsync(map, child, level - 1).ConfigureAwait(false);
            }
        }
    }
}
