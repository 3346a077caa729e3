using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>What a run added, what died with it, and which run came before: deltas form a chain from the newest point back, on which runs that never published a manifest are not. The packs stand in the plaintext header, so that a missing one is found without a password. docs/format.md §8.</summary>
internal sealed record RunDelta(string ApplianceId, Run Run, Run? After, IReadOnlyList<PackInfo> Packs)
{
    internal EncodedObject Encode(DeadList dead, ObjectKeys keys)
    {
        List<byte[]> segments = dead.Encode();
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("appliance", ApplianceId);
            json.WriteNumber("sequence", Run.Sequence);
            json.WriteString("run", Run.Id.ToString());
            if (After is Run after) json.WriteString("after", after.ToString());
            json.WriteNumber("deadSegments", segments.Count);
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
        return SmallObject.Encode(ObjectKind.Delta, Id128.NewRandom(), header, segments, keys);
    }

    /// <summary>Reads the plaintext part; needs no key.</summary>
    /// <exception cref="FormatException">It is damaged, or not what its name says.</exception>
    internal static RunDelta Decode(byte[] bytes, string applianceId, Run run)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.Delta);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        JsonElement root = header.RootElement;
        if (root.ReadString("appliance") != applianceId || root.ReadLong("sequence") != run.Sequence || root.ReadId("run") != run.Id || root.ReadLong("deadSegments") != envelope.Segments.Length)
            throw new FormatException("The delta is not the one that its name says.");
        Run? after = null;
        if (root.ReadStringOrNull("after") is string text)
            after = Run.TryParse(text, out Run parsed) && parsed.Sequence < run.Sequence ? parsed : throw new FormatException("The delta names an impossible run before it.");
        return new RunDelta(applianceId, run, after, root.ReadArray("packs").Select(ReadPack).ToArray());
    }

    /// <exception cref="FormatException">It is damaged, or sealed with another key.</exception>
    internal static DeadList DecodeDead(byte[] bytes, ObjectKeys keys)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.Delta);
        var dead = new DeadList();
        for (int i = 0; i < envelope.Segments.Length; i++) dead.Decode(SmallObject.OpenSegment(bytes, envelope, i, keys));
        return dead;
    }

    private static PackInfo ReadPack(JsonElement pack)
    {
        long number = pack.ReadLong("number"), segments = pack.ReadLong("segments");
        if (number is < 0 or > int.MaxValue || segments is < 0 or > int.MaxValue) throw new FormatException("A delta lists an impossible pack.");
        PackArea area = pack.ReadString("area") switch
        {
            "data" => PackArea.Data,
            "meta" => PackArea.Meta,
            _ => throw new FormatException("A delta lists a pack in an unknown area."),
        };
        return new PackInfo(area, (int)number, pack.ReadId("id"), pack.ReadLong("bytes"), (int)segments, pack.ReadHash("sha256"));
    }
}
