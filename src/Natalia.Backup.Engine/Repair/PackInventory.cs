using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>One pack: what should be there and what is.</summary>
internal sealed class PackState(PackArea area, Run run, int number, string name)
{
    internal PackArea Area => area;
    internal Run Run => run;
    internal int Number => number;

    /// <summary>Its name as it was written first.</summary>
    internal string Name => name;

    /// <summary>What its run's delta says; null when that is lost, or does not list it.</summary>
    internal PackInfo? Info { get; set; }

    /// <summary>
    /// The objects that hold it, in the order in which readers take them: as it was first, then the newest rewriting.
    /// </summary>
    internal List<StoredObject> Objects { get; } = [];

    /// <summary>Those of them that are not whole, with the reason.</summary>
    internal Dictionary<string, string> Bad { get; } = new(StringComparer.Ordinal);

    /// <summary>The beginning of the object that readers take, where it had to be read; else null.</summary>
    internal Envelope? Envelope { get; set; }

    internal bool IsMissing => Objects.Count == 0;

    /// <summary>True when readers take an object that is not whole.</summary>
    internal bool IsSuspect => Objects.Count > 0 && Bad.ContainsKey(Objects[0].Name);

    /// <summary>True when something of it, or of a point that needs it, was found damaged before. It may look whole and
    /// hold something else than the block maps name; then there is nothing in it that could be salvaged.</summary>
    internal bool IsToProve { get; set; }

    /// <summary>Objects that stand before a whole one: without them, readers take that one.</summary>
    internal IReadOnlyList<StoredObject> InTheWay
    {
        get
        {
            int whole = Objects.FindIndex(o => !Bad.ContainsKey(o.Name));
            return whole > 0 ? Objects.GetRange(0, whole) : [];
        }
    }

    internal long StoredBytes => Objects.Sum(o => o.Length);
}

/// <summary>
/// All packs of an appliance, those that should be there and those that are, with what is wrong with each. Bounded by
/// the number of packs.
/// </summary>
internal sealed class PackInventory(RepositoryCore core, string applianceId)
{
    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int ReadsAtOnce = 16;

    private readonly Dictionary<(PackArea, Run, int), PackState> _packs = [];
    private readonly Dictionary<Run, Hash256> _deltas = [];
    private readonly Dictionary<Run, string> _badDeltas = [];

    internal IEnumerable<PackState> All => _packs.Values;

    /// <summary>The checksums of the deltas that are whole.</summary>
    internal IReadOnlyDictionary<Run, Hash256> Deltas => _deltas;

    /// <summary>The deltas that are there and not whole, with the reason.</summary>
    internal IReadOnlyDictionary<Run, string> BadDeltas => _badDeltas;

    internal PackState? Find(PackArea area, Run run, int number) =>
        _packs.TryGetValue((area, run, number), out PackState? state) ? state : null;

    /// <param name="deltas">Loaded.</param>
    /// <param name="rotten">Objects that a reading of every byte found damaged, with the reason.</param>
    internal async Task LoadAsync(DeltaReader deltas, IReadOnlyDictionary<string, string> rotten,
        CancellationToken cancellationToken)
    {
        foreach (PackArea area in new[] { PackArea.Data, PackArea.Meta })
        {
            await foreach (StoredObject found in core.Store.ListAsync(Layout.Packs(applianceId, area),
                cancellationToken).ConfigureAwait(false))
            {
                if (TryParse(found.Name, area, out Run run, out int number))
                    GetOrAdd(area, run, number).Objects.Add(found);
            }
        }
        foreach (PackState pack in _packs.Values) pack.Objects.Sort((a, b) => Order(pack, a).CompareTo(Order(pack, b)));

        await ReadDeltasAsync(deltas, cancellationToken).ConfigureAwait(false);

        PackReader reader = core.PackReader(applianceId);
        await InParallel.RunAsync(_packs.Values.Where(p => !p.IsMissing).ToList(), ReadsAtOnce, async pack =>
        {
            foreach (StoredObject item in pack.Objects)
            {
                if (rotten.TryGetValue(item.Name, out string? why)) pack.Bad[item.Name] = why;
                else if (item.Name == pack.Name && pack.Info is PackInfo info)
                {
                    if (item.Length != info.Bytes)
                        pack.Bad[item.Name] = $"It has {item.Length} bytes and should have {info.Bytes}.";
                }
                else if (await CheckAsync(reader, pack, item, cancellationToken).ConfigureAwait(false) is string damage)
                    pack.Bad[item.Name] = damage;
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// What cannot be told from its length alone: a rewritten pack, or one whose run's delta is lost.
    /// </summary>
    private static async Task<string?> CheckAsync(PackReader reader, PackState pack, StoredObject item,
        CancellationToken cancellationToken)
    {
        try
        {
            Envelope envelope = (await reader.ReadDirectoryAsync(pack.Area, item.Name,
                cancellationToken).ConfigureAwait(false)).Envelope;
            if (item.Name == pack.Objects[0].Name) pack.Envelope = envelope;
            return envelope.ObjectLength == item.Length
                ? null
                : $"It has {item.Length} bytes and should have {envelope.ObjectLength}.";
        }
        catch (NataliaException damage) when (Damage.Is(damage))
        {
            return damage.Message;
        }
    }

    private async Task ReadDeltasAsync(DeltaReader deltas, CancellationToken cancellationToken)
    {
        object gate = new();
        await InParallel.RunAsync(deltas.Runs.ToList(), ReadsAtOnce, async run =>
        {
            RunDelta? delta = null;
            if (deltas.Deltas.ContainsKey(run))
            {
                try
                {
                    byte[] bytes = await core.Store.ReadAllAsync(Layout.Delta(applianceId, run),
                        cancellationToken).ConfigureAwait(false);
                    delta = RunDelta.Decode(bytes, applianceId, run);
                    deltas.Remember(delta);
                    lock (gate) _deltas[run] = SmallObject.Trailer(bytes);
                }
                catch (FormatException damage)
                {
                    lock (gate) _badDeltas[run] = damage.Message;
                }
                catch (NataliaException damage) when (Damage.Is(damage))
                {
                    lock (gate) _badDeltas[run] = damage.Message;
                }
            }
            delta ??= await deltas.ReadAsync(run, cancellationToken).ConfigureAwait(false);
            if (delta is null) return;
            lock (gate)
            {
                foreach (PackInfo info in delta.Packs) GetOrAdd(info.Area, run, info.Number).Info = info;
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    private PackState GetOrAdd(PackArea area, Run run, int number)
    {
        if (!_packs.TryGetValue((area, run, number), out PackState? state))
            _packs[(area, run, number)] = state = new PackState(area, run, number,
                Layout.Pack(applianceId, area, run, number));
        return state;
    }

    private bool TryParse(string name, PackArea area, out Run run, out int number)
    {
        number = 0;
        run = default;
        string[] parts = name.Substring(Layout.Packs(applianceId, area).Length).Split('/');
        if (parts.Length != 2 || !Run.TryParse(parts[0], out run)) return false;
        string digits = Layout.PackOf(parts[1]);
        return digits.Length == 8
            && int.TryParse(digits, System.Globalization.NumberStyles.None,
                System.Globalization.CultureInfo.InvariantCulture, out number)
            && Layout.RevisionOf(parts[1], digits) is not null;
    }

    /// <summary>As readers take them: the plain name, and where that is absent the highest revision.</summary>
    private static int Order(PackState pack, StoredObject item) =>
        item.Name == pack.Name ? int.MinValue : -(Layout.RevisionOf(item.Name, pack.Name) ?? 0);
}
