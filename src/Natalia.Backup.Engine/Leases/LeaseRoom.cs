using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Leases;

/// <summary>
/// What lies where an appliance's leases are: the claims with what renews and ends them. A name alone may be anybody's:
/// what cannot be a claim counts for nothing. docs/format.md §10.
/// </summary>
internal sealed class LeaseRoom
{
    /// <summary>Fixed fields and checksum of an envelope: nothing shorter is a claim.</summary>
    private const int ShortestClaim = 80;

    /// <summary>
    /// More than a lease a second for thirty years: above it a name must prove itself also where a look at it is spared
    /// else.
    /// </summary>
    private const long Plausible = 1_000_000_000;

    private readonly string _directory;

    private LeaseRoom(string directory, IReadOnlyList<StoredObject> all) => (_directory, All) = (directory, all);

    /// <summary>Everything that lies there.</summary>
    internal IReadOnlyList<StoredObject> All { get; }

    /// <summary>The epochs that there may be claims of, ascending; those that ended with their end.</summary>
    private SortedDictionary<long, List<StoredObject>> Epochs { get; } = [];

    /// <summary>The newest epoch; 0 without any.</summary>
    internal long Highest { get; private set; }

    /// <summary>The newest epoch's objects.</summary>
    internal IReadOnlyList<StoredObject> Newest => Highest == 0 ? [] : Epochs[Highest];

    /// <summary>Whether nobody has claimed a lease without ending it.</summary>
    internal bool IsEnded => Highest == 0 || HasEnd(Highest);

    /// <summary>
    /// When the newest sign of life was given, by the store's clock. Where the newest epoch cannot be read, one below
    /// may be the holder's, who goes on: to a holder, what is no claim is none. What lies below a claim that can be
    /// read is of somebody who sees that claim, and stops.
    /// </summary>
    internal DateTime NewestUtc => SignsOfLife.Max(o => o.LastModifiedUtc);

    private IEnumerable<StoredObject> SignsOfLife => Holder is null ? Epochs.Values.SelectMany(e => e) : Newest;

    /// <summary>Who claimed the newest epoch, where that was looked at and can be read; else null.</summary>
    internal LeaseHolder? Holder { get; private set; }

    /// <summary>The epoch of the next claim: behind the newest one, and a name that is free.</summary>
    internal long Next
    {
        get
        {
            var taken = new HashSet<long>(All.Select(o => ParseEpoch(o.Name)));
            long next = Highest + 1;
            while (taken.Contains(next)) next++;
            Layout.RequireNumber(next, _directory);
            return next;
        }
    }

    /// <summary>Changes whenever the holder gives a sign of life.</summary>
    internal string Signature =>
        Hash256.Of(
            System.Text.Encoding.UTF8.GetBytes(string.Join("\n",
                SignsOfLife.Select(o => $"{o.Name} {o.Length} {o.LastModifiedUtc.Ticks}"))))
            .ToString();

    internal static async Task<LeaseRoom> ReadAsync(IObjectStore store, string applianceId,
        CancellationToken cancellationToken)
    {
        string directory = Layout.Leases(applianceId);
        var room = new LeaseRoom(directory,
            await store.ListAllAsync(directory, cancellationToken).ConfigureAwait(false));
        foreach (IGrouping<long, StoredObject> epoch in room.All.GroupBy(o => ParseEpoch(o.Name)))
        {
            // An end without anything that it could end is none.
            if (epoch.Key > 0
                && epoch.Any(o => !o.Name.EndsWith(".end", StringComparison.Ordinal) && o.Length >= ShortestClaim))
                room.Epochs[epoch.Key] = [.. epoch];
        }
        while (room.Epochs.Count > 0)
        {
            room.Highest = room.Epochs.Keys.Last();
            bool isPlausible = room.Highest <= Plausible;
            // Its end counts unseen, unless somebody below may be at work still.
            if (room.IsEnded && isPlausible && room.Epochs.Keys.All(room.HasEnd)) break;
            room.Holder = await room.ReadHolderAsync(store, room.Highest, cancellationToken).ConfigureAwait(false);
            // One that cannot be read holds as long as any other: it may be damaged. Where its number cannot be meant,
            // or where it has ended, it is none.
            if (room.Holder is not null || isPlausible && !room.IsEnded) break;
            room.Epochs.Remove(room.Highest);
            room.Highest = 0;
        }
        return room;
    }

    /// <summary>Whether somebody has claimed a later epoch.</summary>
    internal static async Task<bool> IsTakenOverAsync(IObjectStore store, string applianceId, long epoch,
        CancellationToken cancellationToken)
    {
        string directory = Layout.Leases(applianceId);
        foreach (StoredObject found in await store.ListAllAsync(directory, directory + Layout.Number(epoch) + "~",
            cancellationToken).ConfigureAwait(false))
        {
            // An end is no claim, here as above: that of a later epoch lies beside it, or was deleted by a later one.
            if (ParseEpoch(found.Name) <= epoch || found.Length < ShortestClaim
                || found.Name.EndsWith(".end", StringComparison.Ordinal))
                continue;
            try
            {
                await Lease.ReadAsync(store, found.Name, cancellationToken).ConfigureAwait(false);
            }
            catch (FormatException)
            {
                // No claim, whatever its name says.
                continue;
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // It was there: whoever deletes old leases has a newer one.
            }
            return true;
        }
        return false;
    }

    /// <summary>
    /// Who made the newest claim, whether it was ended or not; null when there is none that can be read.
    /// </summary>
    internal async Task<LeaseHolder?> FindHolderAsync(IObjectStore store, CancellationToken cancellationToken) =>
        Holder
        ?? (Highest == 0 ? null : await ReadHolderAsync(store, Highest, cancellationToken).ConfigureAwait(false));

    private bool HasEnd(long epoch) => Epochs[epoch].Exists(o => o.Name.EndsWith(".end", StringComparison.Ordinal));

    /// <summary>The claim, or what renewed it, which says the same.</summary>
    private async Task<LeaseHolder?> ReadHolderAsync(IObjectStore store, long epoch,
        CancellationToken cancellationToken)
    {
        foreach (StoredObject item in Epochs[epoch])
        {
            if (item.Name.EndsWith(".end", StringComparison.Ordinal) || item.Length < ShortestClaim) continue;
            if (await Lease.TryReadAsync(store, item.Name,
                cancellationToken).ConfigureAwait(false) is LeaseHolder holder)
                return holder;
        }
        return null;
    }

    /// <summary>The epoch of a claim, of what renews or of what ends it; 0 for any other name.</summary>
    private static long ParseEpoch(string name)
    {
        string[] parts = Layout.FileName(name).Split('.');
        return parts.Length is 1 or 2 && Layout.TryParseNumber(parts[0], out long epoch)
            && (parts.Length == 1 || parts[1] == "end" || Layout.TryParseNumber(parts[1], out _))
            ? epoch
            : 0;
    }
}
