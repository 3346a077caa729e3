using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// The deltas of an appliance, and what a repair put in the place of those that are lost or do not tell all that died.
/// A stand-in is derived, deletable, and counts instead of the delta. docs/format.md §11. Not thread-safe while it
/// loads.
/// </summary>
internal sealed class DeltaReader(RepositoryCore core, string applianceId)
{
    private readonly Dictionary<Run, long> _deltas = [];
    private readonly Dictionary<Run, List<(long Number, string Name)>> _standIns = [];

    /// <summary>What was read before, without the dead lists.</summary>
    private readonly System.Collections.Concurrent.ConcurrentDictionary<Run, RunDelta> _known = new();

    /// <summary>What this one knows, of the same repository through another wrapper of its store. From then on each
    /// learns by itself.</summary>
    internal DeltaReader Over(RepositoryCore other)
    {
        var over = new DeltaReader(other, applianceId);
        foreach (KeyValuePair<Run, long> delta in _deltas) over._deltas[delta.Key] = delta.Value;
        foreach (KeyValuePair<Run, List<(long, string)>> standIns in _standIns)
            over._standIns[standIns.Key] = [.. standIns.Value];
        foreach (KeyValuePair<Run, RunDelta> known in _known) over._known[known.Key] = known.Value;
        return over;
    }

    private string StandInPrefix => Layout.Appliance(applianceId) + "catalog/delta-";

    /// <summary>The deltas that are there, whole or not, with their lengths.</summary>
    internal IReadOnlyDictionary<Run, long> Deltas => _deltas;

    /// <summary>Every run that has a delta or something in its place.</summary>
    internal IEnumerable<Run> Runs => _deltas.Keys.Concat(_standIns.Keys.Where(r => !_deltas.ContainsKey(r)));

    internal bool Has(Run run) => _deltas.ContainsKey(run) || _standIns.ContainsKey(run);

    internal async Task LoadAsync(CancellationToken cancellationToken)
    {
        await foreach (StoredObject found in core.Store.ListAsync(Layout.Deltas(applianceId),
            cancellationToken).ConfigureAwait(false))
        {
            if (Run.TryParse(Layout.FileName(found.Name), out Run run)) _deltas[run] = found.Length;
        }
        await foreach (StoredObject found in core.Store.ListAsync(StandInPrefix,
            cancellationToken).ConfigureAwait(false))
        {
            if (TryParseStandIn(found.Name, out Run run, out long number)) Numbers(run).Add((number, found.Name));
        }
    }

    /// <summary>The run that a stand-in's name tells.</summary>
    internal static bool TryParseStandIn(string name, out Run run, out long number)
    {
        number = 0;
        run = default;
        string[] parts = Layout.FileName(name).Split('.');
        return parts.Length == 2 && parts[0].StartsWith("delta-", StringComparison.Ordinal)
            && Run.TryParse(parts[0].Substring(6), out run) && Layout.TryParseNumber(parts[1], out number);
    }

    /// <summary>Takes over a delta that somebody else has read. Thread-safe.</summary>
    internal void Remember(RunDelta delta)
    {
        if (StandIns(delta.Run).Count == 0) _known[delta.Run] = delta;
    }

    /// <summary>What a run added, and what came before it; null when that cannot be told.</summary>
    internal async Task<RunDelta?> ReadAsync(Run run, CancellationToken cancellationToken) =>
        _known.TryGetValue(run, out RunDelta? known)
            ? known
            : (await ReadAsync(run, withDead: false, cancellationToken).ConfigureAwait(false))?.Delta;

    /// <summary>The same with what died, by disk.</summary>
    internal async Task<(RunDelta Delta, Dictionary<string, DeadList> Dead)?> ReadDeadAsync(Run run,
        CancellationToken cancellationToken) =>
        await ReadAsync(run, withDead: true, cancellationToken).ConfigureAwait(false);

    /// <summary>Puts a stand-in, and then deletes the older ones.</summary>
    internal async Task WriteStandInAsync(RunDelta delta, IReadOnlyDictionary<string, DeadList> dead,
        CancellationToken cancellationToken)
    {
        List<(long Number, string Name)> names = Numbers(delta.Run);
        (long Number, string Name)[] older = [.. names];
        long number = 1;
        foreach ((long taken, string there) in older.OrderByDescending(o => o.Number))
        {
            // Readers pass over what is no delta, so that it sets no number either.
            if (await TryReadAsync(there, delta.Run, ObjectKind.Catalog, withDead: false,
                cancellationToken).ConfigureAwait(false) is null)
                continue;
            number = taken + 1;
            break;
        }
        while (older.Any(o => o.Number == number)) number++;
        Layout.RequireNumber(number, StandInPrefix + delta.Run);
        string name = StandInPrefix + delta.Run + "." + Layout.Number(number);
        // Derived, so never locked: the next one replaces it.
        await core.Store.PutAsync(name, delta.Encode(dead, core.Keys, ObjectKind.Catalog).Content,
            new PutOptions { Class = ObjectClass.Transient }, cancellationToken).ConfigureAwait(false);
        names.Add((number, name));
        _known[delta.Run] = delta;
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        foreach ((long, string Name) old in older)
            await core.Store.DeleteAsync(old.Name, cancellationToken).ConfigureAwait(false);
        names.RemoveAll(older.Contains);
    }

    /// <summary>The names of what stands in for a run's delta.</summary>
    internal IReadOnlyList<string> StandIns(Run run) =>
        _standIns.TryGetValue(run, out List<(long, string Name)>? names) ? names.ConvertAll(n => n.Name) : [];

    private List<(long Number, string Name)> Numbers(Run run)
    {
        if (!_standIns.TryGetValue(run, out List<(long, string)>? names)) _standIns[run] = names = [];
        return names;
    }

    private async Task<(RunDelta Delta, Dictionary<string, DeadList> Dead)?> ReadAsync(Run run, bool withDead,
        CancellationToken cancellationToken)
    {
        var names = new List<(string Name, ObjectKind Kind)>();
        if (_standIns.TryGetValue(run, out List<(long Number, string Name)>? standIns))
            names.AddRange(standIns.OrderByDescending(s => s.Number).Select(s => (s.Name, ObjectKind.Catalog)));
        if (_deltas.ContainsKey(run)) names.Add((Layout.Delta(applianceId, run), ObjectKind.Delta));
        foreach ((string name, ObjectKind kind) in names)
        {
            // What a damaged one would have freed stays; the repository's check reports it, and a repair finds the
            // space again.
            if (await TryReadAsync(name, run, kind, withDead, cancellationToken).ConfigureAwait(false) is not { } read)
                continue;
            _known[run] = read.Delta;
            return read;
        }
        return null;
    }

    private async Task<(RunDelta Delta, Dictionary<string, DeadList> Dead)?> TryReadAsync(string name, Run run,
        ObjectKind kind, bool withDead, CancellationToken cancellationToken)
    {
        try
        {
            byte[] bytes = await core.Store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
            return (RunDelta.Decode(bytes, applianceId, run,
                kind), withDead ? RunDelta.DecodeDead(bytes, core.Keys) : []);
        }
        catch (FormatException)
        {
            return null;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return null;
        }
        catch (NataliaException unreadable) when (core.PassesOver(unreadable))
        {
            return null;
        }
    }
}
