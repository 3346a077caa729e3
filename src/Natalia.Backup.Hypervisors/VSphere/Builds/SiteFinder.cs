using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Reading;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>Finds a host that has the datastore and all networks that a VM wants.</summary>
/// <param name="machines">The inventory.</param>
internal sealed class SiteFinder(MachineFinder machines)
{
    private readonly IVimService _vim = machines.Vim;

    /// <summary>The place.</summary>
    /// <param name="placement">What was asked for.</param>
    /// <param name="networks">The names of the networks, one for each adapter.</param>
    /// <param name="formerDisks">Where the disks were, <c>[datastore] …</c>; theirs is taken where it is there
    /// and nothing else was asked for.</param>
    /// <exception cref="NataliaException"><c>HypervisorNotFound</c>, <c>StorageNotFound</c>,
    /// <c>StorageNotSuitable</c>, <c>NetworkNotFound</c>, <c>PermissionDenied</c>.</exception>
    internal async Task<Site> FindAsync(Placement placement, IReadOnlyList<string> networks,
        IReadOnlyList<string> formerDisks, CancellationToken cancellationToken)
    {
        IReadOnlyList<VimObject> hosts = await _vim.FindAsync(null, "HostSystem",
            ["name", "parent", "datastore", "network", "runtime.connectionState", "runtime.inMaintenanceMode"],
            cancellationToken).ConfigureAwait(false);
        List<VimObject> named = [.. hosts.Where(h => placement.VMHost is not string wanted || IsCalled(h, wanted))];
        if (named.Count == 0)
            throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
                $"'{machines.Location}' has no VM host '{placement.VMHost}'.", placement.VMHost,
                Offer.Of(hosts.Select(h => h.Text("name"))));
        NataliaException? first = null;
        foreach (VimObject host in named.Where(IsUsable))
        {
            try
            {
                return await FindOnAsync(host, placement, networks, formerDisks,
                    cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (e.ErrorId is ErrorIds.StorageNotFound or ErrorIds.StorageNotSuitable
                or ErrorIds.NetworkNotFound)
            {
                first ??= e;
            }
        }
        throw first ?? new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.ResourceUnavailable,
            $"No VM host of '{machines.Location}' is connected and out of maintenance mode.", placement.VMHost);
    }

    private async Task<Site> FindOnAsync(VimObject host, Placement placement, IReadOnlyList<string> networks,
        IReadOnlyList<string> formerDisks, CancellationToken cancellationToken)
    {
        string name = host.Text("name") ?? host.Reference.Value;
        string datastore = await ChooseDatastoreAsync(host, name, placement.Storage, formerDisks,
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<Func<XElement>> adapters = await FindNetworksAsync(host, name, networks,
            cancellationToken).ConfigureAwait(false);
        (VimReference datacenter, VimReference folder) = await FindDatacenterAsync(host.Reference,
            cancellationToken).ConfigureAwait(false);
        string? path = await machines.DatacenterPathAsync(datacenter, cancellationToken).ConfigureAwait(false);
        VimReference pool = await FindPoolAsync(host, placement.Group, cancellationToken).ConfigureAwait(false);
        return new Site(datacenter, path, folder, host.Reference, pool, datastore, adapters);
    }

    private async Task<string> ChooseDatastoreAsync(VimObject host, string hostName, string? wanted,
        IReadOnlyList<string> formerDisks, CancellationToken cancellationToken)
    {
        IReadOnlyList<VimObject> all = await _vim.GetPropertiesAsync(References(host["datastore"]),
            ["name", "summary.type", "summary.freeSpace", "summary.accessible"],
            cancellationToken).ConfigureAwait(false);
        List<VimObject> there = [.. all.Where(d => d.Flag("summary.accessible") == true)];
        string[] former = [.. formerDisks.Select(f => DatastorePath.TryParse(f)?.Datastore).OfType<string>()];
        VimObject? chosen = wanted is not null
            ? there.FirstOrDefault(d => string.Equals(d.Text("name"), wanted, StringComparison.OrdinalIgnoreCase))
            : there.FirstOrDefault(d => former.Contains(d.Text("name"), StringComparer.Ordinal) && IsPlain(d))
                ?? there.Where(IsPlain).OrderByDescending(d => d["summary.freeSpace"] is { } free
                    && long.TryParse(free.Value, out long bytes) ? bytes : 0).FirstOrDefault();
        if (chosen is null)
            throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound,
                wanted is null
                    ? $"The VM host '{hostName}' has no datastore that takes files (VMFS, NFS)."
                    : $"The VM host '{hostName}' has no datastore '{wanted}' that is accessible.",
                wanted ?? hostName,
                Offer.Of(all.Select(d => $"{d.Text("name")} ({d.Text("summary.type")})")));
        return IsPlain(chosen)
            ? chosen.Text("name")!
            : throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.NotSupported,
                $"The datastore '{chosen.Text("name")}' is of the type {chosen.Text("summary.type")}, where a disk is "
                + "no file that could be uploaded.", chosen.Text("name"),
                "Restore to a VMFS or NFS datastore, and move the VM afterwards (Storage vMotion).");
    }

    /// <summary>Where a disk is a pair of plain files.</summary>
    private static bool IsPlain(VimObject datastore) =>
        DatastoreKind.IsFileSystem(datastore.Text("summary.type"));

    private async Task<IReadOnlyList<Func<XElement>>> FindNetworksAsync(VimObject host, string hostName,
        IReadOnlyList<string> wanted, CancellationToken cancellationToken)
    {
        if (wanted.Count == 0) return [];
        List<VimReference> references = [.. References(host["network"])];
        IReadOnlyList<VimObject> all = await _vim.GetPropertiesAsync(references, ["name"],
            cancellationToken).ConfigureAwait(false);
        var adapters = new List<Func<XElement>>();
        foreach (string name in wanted)
        {
            List<VimObject> fits = [.. all.Where(n => n.Text("name") == name)];
            if (fits.Count != 1)
                throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
                    $"The VM host '{hostName}' has {(fits.Count == 0 ? "no network" : "several networks")} '{name}'.",
                    name, Offer.Of(all.Select(n => n.Text("name"))));
            adapters.Add(fits[0].Reference.Type == "DistributedVirtualPortgroup"
                ? await DistributedAsync(fits[0].Reference, name, cancellationToken).ConfigureAwait(false)
                : () => VimXml.Typed("backing", "VirtualEthernetCardNetworkBackingInfo",
                    VimXml.Element("deviceName", name)));
        }
        return adapters;
    }

    private async Task<Func<XElement>> DistributedAsync(VimReference portgroup, string name,
        CancellationToken cancellationToken)
    {
        VimObject? found = (await _vim.GetPropertiesAsync([portgroup], ["key", "config.distributedVirtualSwitch"],
            cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        VimObject? vds = found?.ReferenceAt("config.distributedVirtualSwitch") is VimReference reference
            ? (await _vim.GetPropertiesAsync([reference], ["uuid"], cancellationToken).ConfigureAwait(false))
                .FirstOrDefault()
            : null;
        if (found?.Text("key") is not string key || vds?.Text("uuid") is not string uuid)
            throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.PermissionDenied,
                $"The distributed portgroup '{name}' cannot be seen whole.", name,
                "The user needs System.Read on it and on its switch, and Network.Assign.");
        return () => VimXml.Typed("backing", "VirtualEthernetCardDistributedVirtualPortBackingInfo",
            VimXml.Group("port", VimXml.Element("switchUuid", uuid), VimXml.Element("portgroupKey", key)));
    }

    private async Task<VimReference> FindPoolAsync(VimObject host, string? wanted, CancellationToken cancellationToken)
    {
        if (wanted is not null)
        {
            IReadOnlyList<VimObject> pools = await _vim.FindAsync(null, "ResourcePool", ["name"],
                cancellationToken).ConfigureAwait(false);
            List<VimObject> fits = [.. pools.Where(p => p.Text("name") == wanted)];
            return fits.Count == 1 ? fits[0].Reference
                : throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
                    $"'{machines.Location}' has {(fits.Count == 0 ? "no resource pool" : "several resource pools")} "
                    + $"'{wanted}'.", wanted, Offer.Of(pools.Select(p => p.Text("name"))));
        }
        VimObject? compute = host.ReferenceAt("parent") is VimReference parent
            ? (await _vim.GetPropertiesAsync([parent], ["resourcePool"], cancellationToken).ConfigureAwait(false))
                .FirstOrDefault()
            : null;
        return compute?.ReferenceAt("resourcePool") ?? throw Unseen("the resource pool of the VM host");
    }

    /// <summary>The folder and the resource pool that a new VM on a host goes to when nobody says otherwise.</summary>
    /// <exception cref="NataliaException"><c>PermissionDenied</c>.</exception>
    internal async Task<(VimReference Folder, VimReference Pool)> UsualPlaceAsync(VimReference? host,
        CancellationToken cancellationToken)
    {
        VimObject seen = (host is null ? null
            : (await _vim.GetPropertiesAsync([host], ["parent"], cancellationToken).ConfigureAwait(false))
                .FirstOrDefault()) ?? throw Unseen("the host");
        (_, VimReference folder) = await FindDatacenterAsync(seen.Reference, cancellationToken).ConfigureAwait(false);
        return (folder, await FindPoolAsync(seen, null, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The datacenter that an object is in.</summary>
    internal async Task<VimReference> DatacenterOfAsync(VimReference? inside, CancellationToken cancellationToken) =>
        inside is null ? throw Unseen("the host")
            : (await FindDatacenterAsync(inside, cancellationToken).ConfigureAwait(false)).Datacenter;

    private async Task<(VimReference Datacenter, VimReference Folder)> FindDatacenterAsync(VimReference host,
        CancellationToken cancellationToken)
    {
        int depth = 0;
        for (VimReference? at = host; at is not null && depth < 100; depth++)
        {
            if (at.Type == "Datacenter")
            {
                VimObject? found = (await _vim.GetPropertiesAsync([at], ["vmFolder"],
                    cancellationToken).ConfigureAwait(false)).FirstOrDefault();
                return (at, found?.ReferenceAt("vmFolder") ?? throw Unseen("the folder of VMs"));
            }
            at = (await _vim.GetPropertiesAsync([at], ["parent"], cancellationToken).ConfigureAwait(false))
                .FirstOrDefault()?.ReferenceAt("parent");
        }
        throw Unseen("the datacenter");
    }

    private NataliaException Unseen(string what) =>
        new(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
        $"'{machines.Location}' does not show {what} to this user.", machines.Location,
        "The user needs System.Read on the datacenter, its folder of VMs and its hosts, propagated; see "
        + "docs/vmware.md.");

    private static IEnumerable<VimReference> References(XElement? list) =>
        list?.Elements().Select(VimXml.ReferenceOf).OfType<VimReference>() ?? [];

    private static bool IsUsable(VimObject host) =>
        host.Text("runtime.connectionState") == "connected"
        && host.Flag("runtime.inMaintenanceMode") != true;

    private static bool IsCalled(VimObject host, string name) =>
        host.Text("name") is string there && (string.Equals(there, name, StringComparison.OrdinalIgnoreCase)
            || there.StartsWith(name + ".", StringComparison.OrdinalIgnoreCase));
}
