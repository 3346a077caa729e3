using System.Globalization;
using System.Text.Json.Nodes;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>
/// CIM's values as JSON, with their types: how a program of another runtime asks the simulated host. No protocol of
/// Hyper-V's; both ends are ours.
/// </summary>
internal static class WireText
{
    private static readonly Dictionary<string, Type> s_types = new[]
    {
        typeof(bool), typeof(string), typeof(byte), typeof(sbyte), typeof(ushort), typeof(short), typeof(uint),
        typeof(int), typeof(ulong), typeof(long), typeof(DateTime), typeof(TimeSpan), typeof(CimPath), typeof(CimRow),
    }.ToDictionary(t => t.Name);

    internal static JsonNode? Write(object? value) => value switch
    {
        null => null,
        Array many => new JsonObject
        {
            ["type"] = many.GetType().GetElementType()!.Name,
            ["items"] = new JsonArray([.. many.Cast<object?>().Select(Write)]),
        },
        CimPath path => One(nameof(CimPath), path.ToText(path.Server ?? ".")),
        CimRow row => new JsonObject
        {
            ["type"] = nameof(CimRow),
            ["class"] = row.ClassName,
            ["path"] = Write(row.Path),
            ["values"] = new JsonArray([.. row.Values.Select(v => (JsonNode)new JsonObject
            {
                ["name"] = v.Key,
                ["value"] = Write(v.Value),
            })]),
        },
        DateTime time => One(nameof(DateTime), time.Ticks.ToString(CultureInfo.InvariantCulture)),
        TimeSpan time => One(nameof(TimeSpan), time.Ticks.ToString(CultureInfo.InvariantCulture)),
        _ => One(value.GetType().Name, Convert.ToString(value, CultureInfo.InvariantCulture)!),
    };

    internal static object? Read(JsonNode? node)
    {
        if (node is null) return null;
        string type = (string)node["type"]!;
        if (node["items"] is JsonArray items)
        {
            var many = Array.CreateInstance(s_types[type], items.Count);
            for (int i = 0; i < items.Count; i++) many.SetValue(Read(items[i]), i);
            return many;
        }
        if (type == nameof(CimRow))
            return new CimRow((string)node["class"]!, (CimPath?)Read(node["path"]),
                node["values"]!.AsArray().ToDictionary(v => (string)v!["name"]!, v => Read(v!["value"]),
                    StringComparer.OrdinalIgnoreCase));
        string text = (string)node["text"]!;
        return type switch
        {
            nameof(CimPath) => CimPath.TryParse(text, ""),
            nameof(DateTime) => new DateTime(long.Parse(text, CultureInfo.InvariantCulture), DateTimeKind.Utc),
            nameof(TimeSpan) => new TimeSpan(long.Parse(text, CultureInfo.InvariantCulture)),
            _ => Convert.ChangeType(text, s_types[type], CultureInfo.InvariantCulture),
        };
    }

    private static JsonObject One(string type, string text) => new() { ["type"] = type, ["text"] = text };
}
