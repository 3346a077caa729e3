using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>
/// Keeps what a new point needs locked for as long as the policy says. What its parents needed is known to be locked
/// until their date; while that is late enough nothing is asked of the store. Else, once in a
/// <see cref="ImmutabilityPolicy.Margin"/>, the maps are walked and every pack's lock is extended and read back.
/// </summary>
internal sealed class LockKeeper(RepositoryCore core, string applianceId)
{
    /// <summary>Makes sure of the locks of everything that a point needs.</summary>
    /// <param name="disks">The point's maps, all their packs stored.</param>
    /// <param name="companions">What the point has besides its maps.</param>
    /// <param name="runStartedUtc">When the run began to store: its own objects are locked from then at the
    /// earliest.</param>
    /// <param name="parentsUntilUtc">Until when everything that the parents needed is locked; null when there is no
    /// parent, which needs nothing of earlier runs.</param>
    /// <param name="hasParent">Whether the point may share anything with an earlier one.</param>
    /// <returns>Until when everything that the point needs is locked, verified; null where the repository is not
    /// immutable.</returns>
    internal async Task<DateTime?> SecureAsync(IReadOnlyList<MapRoot> disks, Companions companions,
        DateTime runStartedUtc, DateTime? parentsUntilUtc, bool hasParent, CancellationToken cancellationToken)
    {
        if (core.Immutability is not ImmutabilityPolicy policy || core.Store.ObjectLock is not IObjectLock locks)
            return null;
        DateTime own = policy.RetainUntil(runStartedUtc), wanted = core.Clock.UtcNow() + policy.Period;
        DateTime shared = !hasParent ? own : parentsUntilUtc ?? DateTime.MinValue;
        DateTime verified = own < shared ? own : shared;
        if (verified >= wanted) return verified;

        var needed = new NeededPacks(core, applianceId);
        await needed.AddAsync(disks, companions, cancellationToken).ConfigureAwait(false);
        HashSet<string> names = [.. (await needed.LocateAsync(null, null, cancellationToken).ConfigureAwait(false))
            .Select(o => o.Name),
            .. await FindRepositoryObjectsAsync(core, cancellationToken).ConfigureAwait(false)];
        return await LockExtension.ExtendAsync(locks, names, policy.RetainUntil(core.Clock.UtcNow()), null,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// What every point needs besides its packs: the settings, the keys, and the repository's own log, which says that
    /// points are locked at all: without it a thief of the credentials could turn the locks of later points off.
    /// </summary>
    internal static async Task<List<string>> FindRepositoryObjectsAsync(RepositoryCore core,
        CancellationToken cancellationToken)
    {
        var names = new List<string> { Layout.Settings };
        foreach (string room in new[] { Layout.Keys, Layout.RepositoryLog })
            foreach (StoredObject found in await core.Store.ListAllAsync(room, cancellationToken).ConfigureAwait(false))
                names.Add(found.Name);
        return names;
    }
}
