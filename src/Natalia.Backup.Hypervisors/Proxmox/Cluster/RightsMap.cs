using System.Text.Json;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>
/// The caller's rights on every path that some rule names; what lies below inherits what is passed on.
/// </summary>
internal sealed class RightsMap
{
    private readonly Dictionary<string, Dictionary<string, bool>> _paths = [];

    internal RightsMap(JsonElement data)
    {
        if (data.ValueKind != JsonValueKind.Object) return;
        foreach (JsonProperty path in data.EnumerateObject())
        {
            var rights = new Dictionary<string, bool>();
            if (path.Value.ValueKind == JsonValueKind.Object)
                foreach (JsonProperty right in path.Value.EnumerateObject())
                    rights[right.Name] = right.Value.AsFlag() == true;
            _paths[path.Name] = rights;
        }
    }

    /// <summary>Whether one of the rights is there.</summary>
    internal bool Has(string path, params string[] anyOf)
    {
        if (_paths.TryGetValue(path, out Dictionary<string, bool>? exact)) return anyOf.Any(exact.ContainsKey);
        for (string parent = Parent(path); ; parent = Parent(parent))
        {
            if (_paths.TryGetValue(parent, out Dictionary<string, bool>? rights))
                return anyOf.Any(r => rights.TryGetValue(r, out bool passedOn) && passedOn);
            if (parent == "/") return false;
        }
    }

    /// <summary>Whether the right is there on any path at all.</summary>
    internal bool HasAnywhere(string right) => _paths.Values.Any(rights => rights.ContainsKey(right));

    private static string Parent(string path) =>
        path.LastIndexOf('/') is int slash and > 0 ? path.Substring(0, slash) : "/";
}
