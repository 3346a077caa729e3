using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>A virtual switch of a host.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">What people call it.</param>
/// <param name="Path">What names it for settings.</param>
internal sealed record VirtualSwitch(string Id, string Name, CimPath Path)
{
    internal static async Task<IReadOnlyList<VirtualSwitch>> ListAsync(HyperVHost host,
        CancellationToken cancellationToken) =>
        [.. (await host.QueryAsync(Wql.All("Msvm_VirtualEthernetSwitch"), cancellationToken).ConfigureAwait(false))
            .Where(r => r.Text("Name") is not null && r.Path is not null)
            .Select(r => new VirtualSwitch(r.Text("Name")!, r.Text("ElementName") ?? r.Text("Name")!, r.Path!))];
}

/// <summary>A switch and perhaps a VLAN on it, as users write it: <c>Lab</c>, <c>Lab:42</c>.</summary>
/// <param name="Switch">The switch.</param>
/// <param name="Vlan">The VLAN of an access port; null for none.</param>
internal sealed record NetworkPlace(VirtualSwitch Switch, int? Vlan)
{
    private const int MostVlan = 4094;

    /// <summary>Finds what a text means. A switch of that very name comes first.</summary>
    /// <exception cref="NataliaException"><c>NetworkNotFound</c>.</exception>
    internal static NetworkPlace Find(HyperVHost host, IReadOnlyList<VirtualSwitch> all, string text) =>
        TryFind(all, text) ?? throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
            $"The Hyper-V host '{host.Name}' has {(all.Any(s => IsNamed(s, text)) ? "several switches" : "no switch")} "
            + $"'{text}'.", text, $"{Offer.Of(all.Select(s => s.Name))} A VLAN is written behind the name: "
            + "Lab:42.");

    /// <summary>Finds what a text means; null when no one switch is meant.</summary>
    internal static NetworkPlace? TryFind(IReadOnlyList<VirtualSwitch> all, string text)
    {
        List<VirtualSwitch> fits = [.. all.Where(s => IsNamed(s, text))];
        if (fits.Count == 1) return new NetworkPlace(fits[0], null);
        int colon = text.LastIndexOf(':');
        if (fits.Count > 0 || colon < 1 || !int.TryParse(text.Substring(colon + 1), NumberStyles.None,
            CultureInfo.InvariantCulture, out int vlan) || vlan is < 1 or > MostVlan) return null;
        fits = [.. all.Where(s => IsNamed(s, text.Substring(0, colon)))];
        return fits.Count == 1 ? new NetworkPlace(fits[0], vlan) : null;
    }

    private static bool IsNamed(VirtualSwitch one, string name) =>
        string.Equals(one.Name, name, StringComparison.OrdinalIgnoreCase);
}
