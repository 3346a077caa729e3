using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>
/// Finds the packs that points need, by walking their maps. What points share is walked once. Nodes are read pack by
/// pack, so that it takes about as many requests as there are packs of nodes; packs of blocks are not read at all. Not
/// thread-safe.
/// </summary>
internal sealed class NeededPacks(RepositoryCore core, string applianceId)
{
    private readonly PackReader _reader = new(new WholeMetaPacks(core.Store), applianceId, core.Keys);
    private readonly HashSet<(Run, int, int)> _walked = [];
    private readonly HashSet<(PackArea Area, Run Run, int Pack)> _packs = [];

    /// <summary>Adds what a point needs.</summary>
    /// <param name="disks">Its maps.</param>
    /// <param name="companions">What it has besides; null to leave that out.</param>
    /// <exception cref="NataliaException"><c>BlockMapDamaged</c>, <c>PackMissing</c>, a store error.</exception>
    internal async Task AddAsync(IEnumerable<MapRoot> disks, Companions? companions,
        CancellationToken cancellationToken)
    {
        foreach (Reference companion in companions?.References ?? [])
            _packs.Add((PackArea.Meta, companion.Run, companion.Pack));
        using var codec = new SegmentCodec();
        foreach (MapRoot root in disks)
        {
            if (root.Reference is not null)
                await MarkAsync(new MapReader(_reader, root), root.Reference, root.Level).ConfigureAwait(false);
        }

        async Task MarkAsync(MapReader map, Reference reference, int level)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_walked.Contains((reference.Run, reference.Pack, reference.Ordinal))) return;
            _packs.Add((PackArea.Meta, reference.Run, reference.Pack));
            MapNode node = await map.ReadAsync(reference, level, codec, cancellationToken).ConfigureAwait(false);
            for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
            {
                if (node[slot] is not Reference child) continue;
                if (level == 0) _packs.Add((PackArea.Data, child.Run, child.Pack));
                else await MarkAsync(map, child, level - 1).ConfigureAwait(false);
            }
            // Only when everything below it was seen: a walk that failed half-way must not hide the rest from the next
            // one.
            _walked.Add((reference.Run, reference.Pack, reference.Ordinal));
        }
    }

    /// <summary>
    /// Looks up under which names the packs lie, and how large they are: a few listings, however many packs there are.
    /// </summary>
    /// <param name="areas">Which rooms are wanted; null for both.</param>
    /// <param name="onMissing">Told the name of each pack that is not there; null throws at the first.</param>
    /// <exception cref="NataliaException"><c>PackMissing</c>, a store error.</exception>
    internal async Task<IReadOnlyList<StoredObject>> LocateAsync(IReadOnlyList<PackArea>? areas,
        Action<string>? onMissing, CancellationToken cancellationToken)
    {
        var found = new List<StoredObject>();
        foreach (PackArea area in areas ?? [PackArea.Data, PackArea.Meta])
        {
            var wanted = new Dictionary<string, List<StoredObject>>(StringComparer.Ordinal);
            foreach ((PackArea room, Run run, int pack) in _packs)
                if (room == area) wanted[Layout.Pack(applianceId, area, run, pack)] = [];
            if (wanted.Count == 0) continue;
            await foreach (StoredObject item in core.Store.ListAsync(Layout.Packs(applianceId, area),
                cancellationToken).ConfigureAwait(false))
            {
                string name = Layout.PackOf(item.Name);
                if (wanted.TryGetValue(name, out List<StoredObject>? there)
                    && Layout.RevisionOf(item.Name, name) is not null)
                    there.Add(item);
            }
            foreach (KeyValuePair<string, List<StoredObject>> pack in wanted)
            {
                // A reader takes the plain name, and where that is absent the highest revision that is whole: which
                // that is, only reading tells, so that all of them count.
                if (pack.Value.Find(o => o.Name == pack.Key) is StoredObject plain) found.Add(plain);
                else if (pack.Value.Count > 0) found.AddRange(pack.Value);
                else if (onMissing is not null) onMissing(pack.Key);
                else throw new NataliaException(ErrorIds.PackMissing, NataliaErrorKind.InvalidData,
                    $"The pack '{pack.Key}' is missing from {core.Store.Location}.", pack.Key,
                    "Run Test-NataliaRepository -Full to see what else is missing; points that do not need the pack "
                    + "are not affected.");
            }
        }
        return found;
    }
}
