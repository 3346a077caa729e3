using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>Finds VMs, and describes them.</summary>
internal sealed class MachineFinder(IVimService vim)
{
    internal const string Kind = "VMware";

    internal IVimService Vim => vim;

    internal string Location => vim.BaseUri.IdnHost;

    /// <summary>The appliance's id. The same one whether a vCenter or its host is asked.</summary>
    internal static string ApplianceIdOf(string instanceUuid) => ApplianceIdentity.Create(Kind, "", instanceUuid);

    internal async Task<ApplianceInventory> FindAsync(Func<ApplianceLabel, bool> wanted,
        CancellationToken cancellationToken)
    {
        var problems = new List<NataliaException>();
        var references = new List<VimReference>();
        foreach ((VimReference reference, string name, string uuid) in await ListAsync(
            cancellationToken).ConfigureAwait(false))
        {
            if (uuid.Length == 0)
                problems.Add(new NataliaException(ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.InvalidData,
                    $"'{Location}' does not say what the VM '{name}' ({reference}) is: it is inaccessible, being made, "
                    + "or hidden from this user.", name, "The user needs System.Read on it; see docs/vmware.md."));
            else if (wanted(new ApplianceLabel(name, ApplianceIdOf(uuid), uuid))) references.Add(reference);
        }
        var found = new List<ApplianceDescription>();
        var networks = new NetworkNames(vim);
        var hosts = new Dictionary<VimReference, string?>();
        foreach (VimObject o in await vim.GetPropertiesAsync(references, VirtualMachine.Paths,
            cancellationToken).ConfigureAwait(false))
        {
            var machine = new VirtualMachine(o);
            if (machine.Config is null) continue;
            found.Add(await DescribeAsync(machine, networks, hosts, cancellationToken).ConfigureAwait(false));
        }
        return new ApplianceInventory(found, problems);
    }

    /// <summary>The VM now.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>.</exception>
    internal async Task<VirtualMachine> RequireAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken) =>
        await FindAsync(appliance.NativeId, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The appliance '{appliance.Name}' is no longer on '{Location}'.", appliance.Name,
                "List what is there with Get-NataliaAppliance -Name *.");

    /// <summary>The VM with an instance UUID; null when there is none.</summary>
    internal async Task<VirtualMachine?> FindAsync(string? instanceUuid, CancellationToken cancellationToken)
    {
        if (instanceUuid is null) return null;
        IReadOnlyList<XElement> found = await vim.CallAsync(vim.Singleton("searchIndex"), "FindByUuid",
            [VimXml.Element("uuid", instanceUuid), VimXml.Element("vmSearch", true),
                VimXml.Element("instanceUuid", true)], cancellationToken).ConfigureAwait(false);
        return VimXml.ReferenceOf(found.FirstOrDefault()) is VimReference reference
            ? await VirtualMachine.ReadAsync(vim, reference, cancellationToken).ConfigureAwait(false)
            : null;
    }

    /// <summary>All VMs: reference, name, instance UUID (empty when it is not told).</summary>
    internal async Task<IReadOnlyList<(VimReference Reference, string Name, string Uuid)>> ListAsync(
        CancellationToken cancellationToken) =>
        [.. (await vim.FindAsync(null, "VirtualMachine", ["name", "config.instanceUuid"],
            cancellationToken).ConfigureAwait(false))
            .Select(o => (o.Reference, o.Text("name") ?? o.Reference.Value, o.Text("config.instanceUuid") ?? ""))];

    /// <summary>
    /// The inventory path of the datacenter that an object is in, as addresses of files name it; null on an ESXi host,
    /// which has none to name.
    /// </summary>
    internal async Task<string?> DatacenterPathAsync(VimReference? inside, CancellationToken cancellationToken)
    {
        if (!vim.IsVirtualCenter) return null;
        var names = new List<string>();
        bool isBelow = true;
        for (VimReference? at = inside; at is not null && names.Count < 100;)
        {
            IReadOnlyList<VimObject> found = await vim.GetPropertiesAsync([at], ["name", "parent"],
                cancellationToken).ConfigureAwait(false);
            if (found.Count == 0) break;
            VimReference? parent = found[0].ReferenceAt("parent");
            if (at.Type == "Datacenter") isBelow = false;
            // The root folder has a name that no path holds.
            if (!isBelow && parent is not null) names.Insert(0, found[0].Text("name") ?? "");
            at = parent;
        }
        return names.Count == 0 ? null : string.Join("/", names);
    }

    /// <summary>The name of a host; null when it is not told.</summary>
    internal async Task<string?> HostNameAsync(VimReference? host, CancellationToken cancellationToken) =>
        host is null ? null
            : (await vim.GetPropertiesAsync([host], ["name"], cancellationToken).ConfigureAwait(false))
                .FirstOrDefault()?.Text("name");

    /// <summary>A VM as it is listed.</summary>
    internal Task<ApplianceDescription> DescribeAsync(VirtualMachine machine, CancellationToken cancellationToken) =>
        DescribeAsync(machine, new NetworkNames(vim), [], cancellationToken);

    private async Task<ApplianceDescription> DescribeAsync(VirtualMachine machine, NetworkNames networks,
        Dictionary<VimReference, string?> hosts, CancellationToken cancellationToken)
    {
        string? host = null;
        if (machine.Host is VimReference reference && !hosts.TryGetValue(reference, out host))
            hosts[reference] = host = await HostNameAsync(reference, cancellationToken).ConfigureAwait(false);
        return new ApplianceDescription
        {
            ApplianceId = ApplianceIdOf(machine.InstanceUuid),
            Name = machine.Name,
            HypervisorKind = Kind,
            NativeId = machine.InstanceUuid,
            ProcessorCount = (int?)machine.Config.Number("hardware.numCPU"),
            MemoryBytes = machine.Config.Number("hardware.memoryMB") * 1024 * 1024,
            Networks = await networks.ReadAsync(machine, cancellationToken).ConfigureAwait(false),
            Disks = [.. machine.Disks.Select(d => new ApplianceDisk(d.DiskId, d.Role, d.SizeBytes, d.FileName))],
            NativeFormat = ConfigurationText.Format,
            NativeConfiguration = ConfigurationText.Of(machine.Config!),
            State = new ApplianceState
            {
                VMHost = host,
                Power = machine.Power switch
                {
                    "poweredOn" => "running",
                    "poweredOff" => "off",
                    string other => other,
                },
                GuestAgent = machine.AreToolsRunning ? GuestAgentState.Running
                    : machine.ToolsVersion == "guestToolsNotInstalled" ? GuestAgentState.Disabled
                    : GuestAgentState.Unknown,
                Lock = machine.Connection == "connected" ? null : machine.Connection,
                IsTemplate = machine.IsTemplate,
            },
        };
    }
}
