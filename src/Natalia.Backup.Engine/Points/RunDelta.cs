using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// What a run added, what died with it, and which run came before: deltas form a chain from the newest point back, on
/// which runs that never published a manifest are not. The packs stand in the plaintext header, so that a missing one
/// is found without a password. docs/format.md §8.
/// </summary>
internal sealed record RunDelta(string ApplianceId, Run Run, Run? After, IReadOnlyList<PackInfo> Packs)
{
    /// <param name="dead">What died, by the disk whose map it stood in; the empty name is for configurations.</param>
    /// <param name="keys">The repository's.</param>
    /// <param name="kind">What stands in for a delta is a catalog.</param>
    internal EncodedObject Encode(IReadOnlyDictionary<string, DeadList> dead, ObjectKeys keys,
        ObjectKind kind = ObjectKind.Delta)
    {
        List<(string Disk, List<byte[]> Segments)> lists = dead.Where(d => d.Value.Count > 0)
            .OrderBy(d => d.Key, StringComparer.Ordinal).Select(d => (d.Key, d.Value.Encode())).ToList();
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("appliance", ApplianceId);
            json.WriteNumber("sequence", Run.Sequence);
            json.WriteString("run", Run.Id.ToString());
            if (After is Run after) json.WriteString("after", after.ToString());
            json.WriteStartArray("dead");
            foreach ((string disk, List<byte[]> segments) in lists)
            {
                json.WriteStartObject();
                if (disk.Length > 0) json.WriteString("disk", disk);
                json.WriteNumber("segments", segments.Count);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartArray("packs");
            foreach (PackInfo pack in Packs)
            {
                json.WriteStartObject();
                json.WriteString("area", pack.Area == PackArea.Data ? "data" : "meta");
                json.WriteNumber("number", pack.Number);
                json.WriteString("id", pack.Id.ToString());
                json.WriteNumber("bytes", pack.Bytes);
                json.WriteNumber("segments", pack.Segments);
                json.WriteString("sha256", pack.Hash.ToString());
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
        return SmallObject.Encode(kind, Id128.NewRandom(), header, lists.SelectMany(l => l.Segments).ToList(), keys);
    }

    /// <summary>Reads the plaintext part; needs no key.</summary>
    /// <exception cref="FormatException">It is damaged, or not what its name says.</exception>
    internal static RunDelta Decode(byte[] bytes, string applianceId, Run run, ObjectKind kind = ObjectKind.Delta)
    {
        Envelope envelope = SmallObject.Check(bytes, kind);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        JsonElement root = header.RootElement;
        if (root.ReadString("appliance") != applianceId || root.ReadLong("sequence") != run.Sequence
            || root.ReadId("run") != run.Id
            || root.ReadArray("dead")
                .Sum(d => (decimal)d.ReadLong("segments", 0, Envelope.MaximumSegments)) != envelope.Segments.Length)
            throw new FormatException("The delta is not the one that its name says.");
        Run? after = null;
        if (root.ReadStringOrNull("after") is string text)
            after = Run.TryParse(text, out Run parsed) && parsed.Sequence < run.Sequence
                ? parsed
                : throw new FormatException("The delta names an impossible run before it.");
        return new RunDelta(applianceId, run, after, root.ReadArray("packs").Select(ReadPack).ToArray());
    }

    /// <summary>What died, by disk.</summary>
    /// <exception cref="FormatException">It is damaged, or sealed with another key.</exception>
    internal static Dictionary<string, DeadList> DecodeDead(byte[] bytes, ObjectKeys keys)
    {
        Envelope envelope = SmallObject.Check(bytes);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        var all = new Dictionary<string, DeadList>(StringComparer.Ordinal);
        int next = 0;
        foreach (JsonElement list in header.RootElement.ReadArray("dead"))
        {
            var dead = new DeadList();
            for (long n = list.ReadLong("segments", 0, Envelope.MaximumSegments); n > 0; n--)
                dead.Decode(SmallObject.OpenSegment(bytes, envelope, next++, keys));
            all[list.ReadStringOrNull("disk") ?? ""] = dead;
        }
        return all;
    }

    /// <summary>
    /// More than the segments that an envelope can have take together; so few that what all packs take can be added up.
    /// </summary>
    private const long MaximumPackBytes = 1L << 45;

    private static PackInfo ReadPack(JsonElement pack)
    {
        long number = pack.ReadLong("number", 0, int.MaxValue), segments = pack.ReadLong("segments", 0, int.MaxValue),
            bytes = pack.ReadLong("bytes", 0, MaximumPackBytes);
        PackArea area = pack.ReadString("area") switch
        {
            "data" => PackArea.Data,
            "meta" => PackArea.Meta,
            _ => throw new FormatException("A delta lists a pack in an unknown area."),
        };
        return new PackInfo(area, (int)number, pack.ReadId("id"), bytes, (int)segments, pack.ReadHash("sha256"));
    }
}
