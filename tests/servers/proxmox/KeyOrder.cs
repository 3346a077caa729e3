using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// Perl gives the keys of an object in another order with each answer, and so does this. The order follows from the
/// request and how often it was asked: a test that fails by it fails again. NATALIA_KEY_ORDER sets another beginning.
/// </summary>
internal sealed class KeyOrder
{
    private static readonly int s_seed = int.TryParse(Environment.GetEnvironmentVariable("NATALIA_KEY_ORDER"),
        out int seed)
        ? seed
        : 20261129;
    private readonly ConcurrentDictionary<string, int> _asked = [];

    internal byte[] Shuffle(byte[] json, string request)
    {
        int time = _asked.AddOrUpdate(request, 1, (_, n) => n + 1);
        int hash = request.Aggregate(s_seed + time, (h, c) => unchecked(h * 31 + c));
        return JsonSerializer.SerializeToUtf8Bytes(Shuffle(JsonNode.Parse(json), new Random(hash)));
    }

    private static JsonNode? Shuffle(JsonNode? node, Random random)
    {
        if (node is JsonArray array) return new JsonArray([.. array.Select(i => Shuffle(i, random))]);
        if (node is not JsonObject members) return node?.DeepClone();
        KeyValuePair<string, JsonNode?>[] pairs = [.. members];
        random.Shuffle(pairs);
        return new JsonObject(pairs.Select(p => KeyValuePair.Create(p.Key, Shuffle(p.Value, random))));
    }
}
