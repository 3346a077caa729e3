using System.Text.Json;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// The published operations. Where the whole contract lies beside the checkout it is used; else the test project's own
/// table of what the simulator serves.
/// </summary>
internal sealed class OperationTable
{
    private readonly Dictionary<string, List<Operation>> _byMethod = [];

    private OperationTable(JsonElement operations, JsonElement definitions, bool isWhole)
    {
        IsWhole = isWhole;
        foreach (JsonElement operation in operations.EnumerateArray())
        {
            var parsed = new Operation(operation.GetProperty("m").GetString()!, operation.GetProperty("p").GetString()!,
                Arguments(operation, "path"), Arguments(operation, "args"),
                operation.TryGetProperty("argsOpen", out _));
            if (!_byMethod.TryGetValue(parsed.Method, out List<Operation>? list))
                _byMethod.Add(parsed.Method, list = []);
            list.Add(parsed);
        }

        Dictionary<string, JsonElement> Arguments(JsonElement operation, string name) =>
            operation.TryGetProperty(name, out JsonElement members)
                ? members.EnumerateObject().ToDictionary(m => m.Name, m => Resolve(m.Value))
                : [];

        JsonElement Resolve(JsonElement value)
        {
            while (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("$", out JsonElement name))
                value = definitions.GetProperty(name.GetString()!);
            return value;
        }

        Definitions = definitions;
    }

    internal bool IsWhole { get; }

    internal JsonElement Definitions { get; }

    internal static OperationTable VirtualEnvironment { get; } = Load("pve");

    internal static OperationTable BackupServer { get; } = Load("pbs");

    internal static OperationTable OwnTable(string product)
    {
        JsonElement own =
            JsonDocument.Parse(
                File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "simulator", "operations.json"))).RootElement;
        return new OperationTable(own.GetProperty(product), JsonDocument.Parse("{}").RootElement, false);
    }

    internal Operation? Find(string method, IReadOnlyList<string> segments) =>
        _byMethod.TryGetValue(method, out List<Operation>? list)
            ? list.Where(o => o.Matches(segments)).OrderBy(o => o.Segments.Count(s => s[0] == '{')).FirstOrDefault()
            : null;

    internal IEnumerable<Operation> All => _byMethod.Values.SelectMany(o => o);

    private static OperationTable Load(string product)
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string file = Path.Combine(folder.FullName, "shared", "contracts", product + "-contract.json");
            if (!File.Exists(file)) continue;
            JsonElement whole = JsonDocument.Parse(File.ReadAllBytes(file)).RootElement;
            return new OperationTable(whole.GetProperty("endpoints"), whole.GetProperty("defs"), true);
        }
        return OwnTable(product);
    }

    internal sealed record Operation(string Method, string Path, Dictionary<string, JsonElement> PathArguments,
        Dictionary<string, JsonElement> Arguments, bool IsOpen)
    {
        internal string[] Segments { get; } = Path.Split('/', StringSplitOptions.RemoveEmptyEntries);

        internal bool Matches(IReadOnlyList<string> actual) =>
            actual.Count == Segments.Length && !Segments.Where((s, i) => s[0] != '{' && s != actual[i]).Any();
    }
}
