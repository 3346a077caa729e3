using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// What earlier optimizations found free in packs that still exist, which points with which disks they looked at, and
/// which packs a lock still keeps. Derived from deltas: when it is lost or damaged, it is made again from all of them.
/// docs/format.md §11.
/// </summary>
internal sealed record FreeList(IReadOnlyDictionary<long, IReadOnlyList<string>> Points, DeadList Free,
    IReadOnlyList<string> WaitingPacks)
{
    /// <summary>
    /// The points among <see cref="Points"/> that were looked at themselves, by their runs: two may have the same
    /// sequence after a lease was lost.
    /// </summary>
    internal IReadOnlyCollection<Run> Runs { get; init; } = [];

    /// <summary>
    /// For a point the next lower one of those times, where it is known that the one was made after the other on the
    /// same line: see <see cref="PointLine"/>.
    /// </summary>
    internal IReadOnlyDictionary<Run, Run> Below { get; init; } = new Dictionary<Run, Run>();

    /// <summary>
    /// The packs that were rewritten and are no leftovers, as far as the records tell that were looked at.
    /// </summary>
    internal IReadOnlyCollection<string> RewrittenPacks { get; init; } = [];

    /// <summary>Which records of packs that were given back were looked at: all with a number up to this one,</summary>
    internal long RecordsThrough { get; init; }

    /// <summary>
    /// and how many they were: with two writers at once, one may come later and have no higher number.
    /// </summary>
    internal int Records { get; init; }

    private static string Prefix(string applianceId) => Layout.Appliance(applianceId) + "catalog/free-";

    /// <summary>
    /// What all that can be read tell together, and the names of all. There are several after two optimizations at
    /// once: each may know what the other could not learn any more. A failure that <paramref name="passesOver"/> says
    /// so of is treated like damage.
    /// </summary>
    internal static async Task<(FreeList? List, IReadOnlyList<string> Names)> ReadAsync(IObjectStore store,
        string applianceId, ObjectKeys keys, CancellationToken cancellationToken,
        Func<NataliaException, bool>? passesOver = null)
    {
        string[] names = (await store.ListAllAsync(Prefix(applianceId), cancellationToken).ConfigureAwait(false))
            .Select(o => o.Name)
            .ToArray();
        var lists = new List<FreeList>();
        var free = new DeadList();
        foreach (string name in names)
        {
            try
            {
                lists.Add(Decode(await store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false), applianceId,
                    keys, free));
            }
            catch (FormatException)
            {
                // Made again from the deltas; the repository's check reports the damaged one until it is replaced.
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
            }
            catch (NataliaException unreadable) when (passesOver?.Invoke(unreadable) == true)
            {
            }
        }
        return (lists.Count == 0 ? null : lists.Count == 1 ? lists[0] : Join(lists, free), names);
    }

    private static FreeList Decode(byte[] bytes, string applianceId, ObjectKeys keys, DeadList free)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.Catalog);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        if (header.RootElement.ReadString("appliance") != applianceId)
            throw new FormatException("It belongs to another appliance.");
        using JsonDocument body = JsonText.Parse(SmallObject.OpenSegment(bytes, envelope, 0, keys));
        JsonElement root = body.RootElement;
        var points = new Dictionary<long, IReadOnlyList<string>>();
        var runs = new HashSet<Run>();
        var below = new Dictionary<Run, Run>();
        foreach (JsonElement point in root.ReadArray("points"))
        {
            long sequence = point.ReadLong("sequence", 0, Layout.HighestNumber);
            points[sequence] = point.ReadArray("disks").Select(d => d.ReadText()).ToArray();
            if (point.ReadStringOrNull("run") is not string id) continue;
            var run = new Run(sequence,
                Id128.TryParse(id, out Id128 parsed)
                    ? parsed
                    : throw new FormatException("It names an impossible run."));
            runs.Add(run);
            if (point.ReadStringOrNull("below") is string lower)
                below[run] = Run.TryParse(lower, out Run known)
                    ? known
                    : throw new FormatException("It names an impossible run.");
        }
        // All of a list, or nothing of it.
        byte[][] segments = Enumerable.Range(1, Math.Max(0, envelope.Segments.Length - 1))
            .Select(i => SmallObject.OpenSegment(bytes, envelope, i, keys)).ToArray();
        foreach (byte[] segment in segments) free.Decode(segment);
        return new FreeList(points, free, Texts(root, "waiting"))
        {
            Runs = runs,
            Below = below,
            RewrittenPacks = Texts(root, "rewritten"),
            RecordsThrough = root.ReadLongOrNull("recordsThrough", 0, Layout.HighestNumber) ?? 0,
            Records = (int)(root.ReadLongOrNull("records", 0, int.MaxValue) ?? 0),
        };
    }

    private static string[] Texts(JsonElement root, string name) => [.. root.ReadArray(name).Select(w => w.ReadText())];

    /// <summary>
    /// What is free stays free, and what is known of the past stays true. A point that one list does not name any more
    /// was looked at when it went.
    /// </summary>
    private static FreeList Join(IReadOnlyList<FreeList> lists, DeadList free)
    {
        long[] highest = lists.Select(l => l.Points.Keys.DefaultIfEmpty(0).Max()).ToArray();
        var points = new Dictionary<long, IReadOnlyList<string>>();
        var below = new Dictionary<Run, Run>();
        foreach (FreeList list in lists)
        {
            foreach (KeyValuePair<long, IReadOnlyList<string>> point in list.Points)
            {
                if (lists.Select((l, i) => l.Points.ContainsKey(point.Key) || point.Key > highest[i]).All(open => open))
                    points[point.Key] = point.Value;
            }
            foreach (KeyValuePair<Run, Run> pair in list.Below)
            {
                if (!below.TryGetValue(pair.Key, out Run other) || pair.Value.Sequence < other.Sequence)
                    below[pair.Key] = pair.Value;
            }
        }
        FreeList earliest = lists.OrderBy(l => l.RecordsThrough).First();
        return new FreeList(points, free,
            lists.SelectMany(l => l.WaitingPacks).Distinct(StringComparer.Ordinal).ToArray())
        {
            Runs = new HashSet<Run>(lists.SelectMany(l => l.Runs)),
            Below = below,
            RewrittenPacks = new HashSet<string>(lists.SelectMany(l => l.RewrittenPacks), StringComparer.Ordinal),
            RecordsThrough = earliest.RecordsThrough,
            Records = earliest.Records,
        };
    }

    internal async Task WriteAsync(IObjectStore store, string applianceId, ObjectKeys keys, IReadOnlyList<string> older,
        CancellationToken cancellationToken)
    {
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("appliance", applianceId);
            json.WriteEndObject();
        });
        byte[] points = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("points");
            Dictionary<long, Run> runs = Runs.ToDictionary(r => r.Sequence);
            foreach (KeyValuePair<long, IReadOnlyList<string>> point in Points.OrderBy(p => p.Key))
            {
                json.WriteStartObject();
                json.WriteNumber("sequence", point.Key);
                if (runs.TryGetValue(point.Key, out Run run))
                {
                    json.WriteString("run", run.Id.ToString());
                    if (Below.TryGetValue(run, out Run below)) json.WriteString("below", below.ToString());
                }
                json.WriteStartArray("disks");
                foreach (string disk in point.Value) json.WriteStringValue(disk);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndArray();
            WriteTexts(json, "waiting", WaitingPacks);
            WriteTexts(json, "rewritten", RewrittenPacks);
            json.WriteNumber("recordsThrough", RecordsThrough);
            json.WriteNumber("records", Records);
            json.WriteEndObject();
        });
        Id128 id = Id128.NewRandom();
        // All of them are read, whatever their numbers: one that nothing can follow is not followed.
        long number = 1 + older.Select(NumberOf).Where(n => n < Layout.HighestNumber).DefaultIfEmpty(0).Max();
        EncodedObject encoded = SmallObject.Encode(ObjectKind.Catalog, id, header, [points, .. Free.Encode()], keys);
        // Derived, so never locked: the next one replaces it.
        await store.PutAsync(Prefix(applianceId) + Layout.Number(number) + "-" + id, encoded.Content,
            new PutOptions { Class = ObjectClass.Transient }, cancellationToken).ConfigureAwait(false);
        await store.FlushAsync(cancellationToken).ConfigureAwait(false);
        foreach (string name in older) await store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
    }

    private static long NumberOf(string name)
    {
        string file = Layout.FileName(name);
        return file.Length > 17 && Layout.TryParseNumber(file.Substring(5, 12), out long number) ? number : 0;
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IReadOnlyCollection<string> texts)
    {
        if (texts.Count == 0) return;
        json.WriteStartArray(name);
        foreach (string text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }
}
