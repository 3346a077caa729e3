using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// What earlier optimizations found free in packs that still exist, which points with which disks they looked at, and which packs a lock still keeps. Derived from deltas: when it is lost or damaged, it is made again from all of them.
/// docs/format.md §11.
/// </summary>
internal sealed record FreeList(IReadOnlyDictionary<long, IReadOnlyList<string>> Points, DeadList Free, IReadOnlyList<string> WaitingPacks)
{
    private static string Prefix(string applianceId) => Layout.Appliance(applianceId) + "catalog/free-";

    /// <summary>The newest one that can be read, and the names of all.</summary>
    internal static async Task<(FreeList? List, IReadOnlyList<string> Names)> ReadAsync(IObjectStore store, string applianceId, ObjectKeys keys, CancellationToken cancellationToken)
    {
        string[] names = (await store.ListAllAsync(Prefix(applianceId), cancellationToken).ConfigureAwait(false)).Select(o => o.Name).ToArray();
        foreach (string name in Enumerable.Reverse(names))
        {
            try
            {
                byte[] bytes = await store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
                Envelope envelope = SmallObject.Check(bytes, ObjectKind.Catalog);
                using JsonDocument header = JsonText.Parse(envelope.Header);
                if (header.RootElement.ReadString("appliance") != applianceId) throw new FormatException("It belongs to another appliance.");
                using JsonDocument body = JsonText.Parse(SmallObject.OpenSegment(bytes, envelope, 0, keys));
                Dictionary<long, IReadOnlyList<string>> points = body.RootElement.ReadArray("points").ToDictionary(p => p.ReadLong("sequence"), p => (IReadOnlyList<string>)p.ReadArray("disks").Select(d => d.ReadText()).ToArray());
                var free = new DeadList();
                for (int i = 1; i < envelope.Segments.Length; i++) free.Decode(SmallObject.OpenSegment(bytes, envelope, i, keys));
                string[] waiting = body.RootElement.TryGetProperty("waiting", out JsonElement list) ? list.EnumerateArray().Select(w => w.ReadText()).ToArray() : [];
                return (new FreeList(points, free, waiting), names);
            }
            catch (FormatException)
            {
                // Made again from the deltas; the repository's check reports the damaged one until it is replaced.
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
            }
        }
        return (null, names);
    }

    internal async Task WriteAsync(IObjectStore store, string applianceId, ObjectKeys keys, IReadOnlyList<string> older, CancellationToken cancellationToken)
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
            foreach (KeyValuePair<long, IReadOnlyList<string>> point in Points.OrderBy(p => p.Key))
            {
                json.WriteStartObject();
                json.WriteNumber("sequence", point.Key);
                json.WriteStartArray("disks");
                foreach (string disk in point.Value) json.WriteStringValue(disk);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndArray();
            if (WaitingPacks.Count > 0)
            {
                json.WriteStartArray("waiting");
                foreach (string name in WaitingPacks) json.WriteStringValue(name);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        });
        Id128 id = Id128.NewRandom();
        long number = older.Count == 0 ? 1 : 1 + older.Max(n => Layout.TryParseNumber(Layout.FileName(n).Substring(5, 12), out long found) ? found : 0);
        EncodedObject encoded = SmallObject.Encode(ObjectKind.Catalog, id, header, [points, .. Free.Encode()], keys);
        // Derived, so never locked: the next one replaces it.
        await store.PutAsync(Prefix(applianceId) + Layout.Number(number) + "-" + id, encoded.Content, new PutOptions { Class = ObjectClass.Transient }, cancellationToken).ConfigureAwait(false);
        await store.FlushAsync(cancellationToken).ConfigureAwait(false);
        foreach (string name in older) await store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
    }
}
