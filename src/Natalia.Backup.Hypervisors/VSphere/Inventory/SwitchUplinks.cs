using System.Xml.Linq;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>What leads out of the switch of a network.</summary>
internal static class SwitchUplinks
{
    /// <summary>What the switch of an isolated network has.</summary>
    internal const string Expected = "no physical adapter";

    /// <summary>Of a distributed network, or of one that no standard switch has.</summary>
    internal const string Unseen = "a distributed switch, whose uplinks are not looked at";

    /// <summary>What <see cref="Of"/> wants of a host.</summary>
    internal static IReadOnlyList<string> Paths { get; } = ["config.network.portgroup", "config.network.vswitch"];

    /// <summary>Whether a host has the network on a standard switch.</summary>
    internal static bool Has(VimObject? host, string network) => GroupOf(host, network) is not null;

    /// <summary>The physical adapters behind a standard network of a host; null when there are none.</summary>
    internal static string? Of(VimObject? host, string network)
    {
        if (GroupOf(host, network) is not XElement group) return Unseen;
        string? name = group.Text("spec.vswitchName");
        XElement? vswitch = host!["config.network.vswitch"]?.Elements().FirstOrDefault(s => s.Text("name") == name);
        string[] uplinks = [.. vswitch.Members("pnic").Select(p => p.Value.Substring(p.Value.LastIndexOf('-') + 1))];
        return vswitch is null ? "its switch is not to be seen"
            : uplinks.Length == 0 ? null : string.Join(", ", uplinks);
    }

    private static XElement? GroupOf(VimObject? host, string network) =>
        host?["config.network.portgroup"]?.Elements().FirstOrDefault(g => g.Text("spec.name") == network);
}
