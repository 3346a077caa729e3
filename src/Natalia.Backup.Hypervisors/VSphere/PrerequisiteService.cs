using System.Globalization;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Backups;
using Natalia.Backup.Hypervisors.VSphere.Builds;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere;

/// <summary>Everything that would fail later, asked beforehand. Changes nothing.</summary>
/// <param name="machines">The inventory.</param>
/// <param name="sites">Where new VMs go.</param>
internal sealed class PrerequisiteService(MachineFinder machines, SiteFinder sites)
{
    private const int HttpsPort = 443;
    private const int HostsAtOnce = 8;

    private IVimService Vim => machines.Vim;

    internal async Task<IReadOnlyList<CheckResult>> TestAsync(ApplianceDescription? appliance,
        PrerequisiteRequest request, CancellationToken cancellationToken)
    {
        var checks = new CheckList();
        checks.Add("Server", machines.Location, CheckOutcome.Passed, "6.5 or newer",
            Vim.About.Text("fullName") ?? Vim.About.Text("apiVersion") ?? "unknown");
        await CheckLicenseAsync(checks, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<VimObject> isolated = request.IsolatedNetwork is null ? []
            // As restore tests look for it.
            : [.. (await Vim.FindAsync(null, "Network", ["name"], cancellationToken).ConfigureAwait(false))
                .Where(n => n.Text("name") == request.IsolatedNetwork)];
        VirtualMachine? machine = null;
        if (appliance is not null)
        {
            machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
            checks.ApplianceId = MachineFinder.ApplianceIdOf(machine.InstanceUuid);
            CheckMachine(checks, machine);
            await CheckPrivilegesAsync(checks, machine, isolated, request.IsolatedNetwork is not null,
                cancellationToken).ConfigureAwait(false);
            await CheckDisksAsync(checks, machine, cancellationToken).ConfigureAwait(false);
            CheckSnapshots(checks, machine);
        }
        await CheckHostsAsync(checks, machine?.Host, cancellationToken).ConfigureAwait(false);
        if (request.IsolatedNetwork is string network)
            await CheckNetworkAsync(checks, network, isolated.Count > 0, cancellationToken).ConfigureAwait(false);
        return checks.All;
    }

    private static void CheckMachine(CheckList checks, VirtualMachine machine)
    {
        (string Why, string Advice)? unfit = MachineChecks.WhyNot(machine);
        checks.Add("Suitable", machine.Name, unfit is null ? CheckOutcome.Passed : CheckOutcome.Failed,
            "can be backed up", unfit?.Why ?? "can be backed up", unfit?.Advice, ErrorIds.ApplianceNotSuitable);
        int? hardware = machine.HardwareVersion;
        bool tracks = machine.CanTrack && !(hardware < MachineChecks.OldestTracked);
        checks.Add("HardwareVersion", machine.Name, tracks ? CheckOutcome.Passed : CheckOutcome.Warning,
            $"{MachineChecks.OldestTracked} or newer, tracks changes",
            $"{hardware?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}, {(tracks ? "tracks" : "tracks no")} "
            + "changes", tracks ? null : "Every backup reads everything. Raise the version of the VM's hardware.");
        bool runs = machine.AreToolsRunning;
        checks.Add("GuestTools", machine.Name, !machine.IsRunning ? CheckOutcome.Skipped
            : runs ? CheckOutcome.Passed : CheckOutcome.Failed, "run",
            !machine.IsRunning ? "the VM does not run" : runs ? $"run ({machine.ToolsVersion})"
                : machine.ToolsRunning ?? "unknown",
            runs || !machine.IsRunning ? null
                : "Without VMware Tools (open-vm-tools) the guest cannot put its data in order.",
            ErrorIds.QuiesceFailed);
        checks.Add("GuestHeartbeat", machine.Name, !machine.IsRunning || !runs ? CheckOutcome.Skipped
            : machine.Heartbeat == "green" ? CheckOutcome.Passed : CheckOutcome.Warning, "green", machine.Heartbeat,
            machine.IsRunning && runs && machine.Heartbeat != "green" ? "The guest answers late or not at all." : null);
    }

    private async Task CheckPrivilegesAsync(CheckList checks, VirtualMachine machine,
        IReadOnlyList<VimObject> isolated, bool isTested, CancellationToken cancellationToken)
    {
        PrivilegeChecks privileges = await PrivilegeChecks.OpenAsync(Vim, checks,
            cancellationToken).ConfigureAwait(false);
        await privileges.AskForBackupsAsync(machine.Reference, machine.Name,
            [.. RequiredPrivileges.OnMachine, .. machine.IsTracked ? [] : RequiredPrivileges.ForTracking],
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<VimObject> stores = await StoresAsync(machine, cancellationToken).ConfigureAwait(false);
        foreach (VimObject store in stores)
            await privileges.AskForBackupsAsync(store.Reference, NameOf(store), RequiredPrivileges.OnDatastore,
                cancellationToken).ConfigureAwait(false);
        foreach (VimObject store in stores)
            await privileges.AskForRestoresAsync(store.Reference, NameOf(store),
                RequiredPrivileges.ToRestoreOnDatastore, cancellationToken).ConfigureAwait(false);
        await CheckPlaceAsync(checks, privileges, machine, isTested, cancellationToken).ConfigureAwait(false);
        VimObject? seen = (await Vim.GetPropertiesAsync([machine.Reference], ["network"],
            cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        IReadOnlyList<VimObject> networks = await Vim.GetPropertiesAsync(
            seen?["network"]?.Elements().Select(VimXml.ReferenceOf).OfType<VimReference>() ?? [], ["name"],
            cancellationToken).ConfigureAwait(false);
        foreach (VimObject network in networks.Concat(isolated).GroupBy(n => n.Reference).Select(g => g.First()))
            await privileges.AskForRestoresAsync(network.Reference, NameOf(network),
                RequiredPrivileges.ToRestoreOnNetwork, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The folder and the pool that a new VM on the same host would go to.</summary>
    private async Task CheckPlaceAsync(CheckList checks, PrivilegeChecks privileges, VirtualMachine machine,
        bool isTested, CancellationToken cancellationToken)
    {
        VimReference folder, pool;
        try
        {
            (folder, pool) = await sites.UsualPlaceAsync(machine.Host, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.PermissionDenied)
        {
            checks.Add("RestorePrivilege", machine.Name, CheckOutcome.NotEvidenced, "granted", "unknown", e.Message);
            return;
        }
        IReadOnlyList<VimObject> named = await Vim.GetPropertiesAsync([folder, pool], ["name"],
            cancellationToken).ConfigureAwait(false);
        await privileges.AskForRestoresAsync(folder, Name(folder),
            [.. RequiredPrivileges.ToRestoreOnFolder, .. isTested ? RequiredPrivileges.ToTestOnFolder : []],
            cancellationToken).ConfigureAwait(false);
        await privileges.AskForRestoresAsync(pool, Name(pool), RequiredPrivileges.ToRestoreOnPool,
            cancellationToken).ConfigureAwait(false);

        string Name(VimReference reference) =>
            named.Where(n => n.Reference == reference).Select(NameOf).FirstOrDefault() ?? reference.Value;
    }

    /// <summary>Whether the network of restore tests is there, and whether its switch leads anywhere.</summary>
    private async Task CheckNetworkAsync(CheckList checks, string name, bool isThere,
        CancellationToken cancellationToken)
    {
        checks.Add("IsolatedNetwork", name, isThere ? CheckOutcome.Passed : CheckOutcome.Failed, "there",
            isThere ? "there" : "not there", null, ErrorIds.NetworkNotFound);
        if (!isThere) return;
        List<VimObject> hosts = [.. (await Vim.FindAsync(null, "HostSystem", ["name", .. SwitchUplinks.Paths],
            cancellationToken).ConfigureAwait(false)).Where(h => SwitchUplinks.Has(h, name))];
        string? uplinks = hosts.Count == 0 ? SwitchUplinks.Unseen
            : hosts.Select(h => SwitchUplinks.Of(h, name) is string way ? $"{way} of {NameOf(h)}" : null)
                .FirstOrDefault(w => w is not null);
        checks.Add("NoWayOut", name, uplinks is null ? CheckOutcome.Passed : CheckOutcome.Warning,
            SwitchUplinks.Expected, uplinks ?? SwitchUplinks.Expected, uplinks is null ? null
                : $"Only its adapters being disconnected would keep a test VM off what is behind '{name}'.");
    }

    private async Task CheckDisksAsync(CheckList checks, VirtualMachine machine, CancellationToken cancellationToken)
    {
        var stores = (await StoresAsync(machine, cancellationToken).ConfigureAwait(false))
            .ToDictionary(s => s.Reference, s => (Name: s.Text("name") ?? s.Reference.Value,
                Type: s.Text("summary.type") ?? "unknown"));
        foreach (VirtualDiskDevice disk in machine.Disks)
        {
            checks.Add("Disk", disk.DiskId, disk.Obstacle is null ? CheckOutcome.Passed : CheckOutcome.Warning,
                "can be backed up", disk.Obstacle ?? "can be backed up",
                disk.Obstacle is null ? null : $"The disk '{disk.DiskId}' {disk.Obstacle}; no backup can take it.");
            if (disk.Obstacle is not null) continue;
            bool isOff = machine.Config.Members("extraConfig").Any(o => o.Text("key") == disk.DiskId + ".ctkEnabled"
                && string.Equals(o.Text("value"), "false", StringComparison.OrdinalIgnoreCase));
            bool tracked = machine.IsTracked && !isOff;
            checks.Add("ChangeTracking", disk.DiskId, tracked ? CheckOutcome.Passed : CheckOutcome.Warning, "on",
                tracked ? "on" : "off", tracked ? null
                    : "Every backup reads everything. Set-NataliaAppliance -EnableChangeTracking switches it on; the "
                    + "VM stands still for a moment then.");
            if (disk.Datastore is not VimReference store
                || !stores.TryGetValue(store, out (string Name, string Type) on))
                continue;
            bool isFlat = DatastoreKind.IsFileSystem(on.Type);
            checks.Add("Datastore", $"{disk.DiskId} on {on.Name}", isFlat ? CheckOutcome.Passed : CheckOutcome.Warning,
                "VMFS or NFS", on.Type, isFlat ? null
                    : "Its files cannot be read by ranges: every backup reads everything through an export (NFC).");
        }
    }

    private static void CheckSnapshots(CheckList checks, VirtualMachine machine)
    {
        int ours = machine.Snapshots.Count(s => SnapshotMark.Of(s, machine) is { IsBackup: true });
        checks.Add("Leftovers", machine.Name, ours == 0 ? CheckOutcome.Passed : CheckOutcome.Warning, "none",
            ours.ToString(CultureInfo.InvariantCulture), ours == 0 ? null
                : "Snapshots of backups stand: of one that runs now, or of dead ones. The next backup removes those of "
                + "dead ones.");
        int foreign = MachineChecks.CountForeign(machine);
        checks.Add("ForeignSnapshots", machine.Name, foreign == 0 ? CheckOutcome.Passed : CheckOutcome.Warning, "none",
            foreign.ToString(CultureInfo.InvariantCulture), foreign == 0 ? null
                : "Snapshots of others stand. They are never touched; as long as they stand backups read everything "
                + "through an export (NFC), and tracking cannot be switched on.");
        checks.Add("Consolidation", machine.Name, machine.NeedsConsolidation ? CheckOutcome.Warning
            : CheckOutcome.Passed, "not needed", machine.NeedsConsolidation ? "needed" : "not needed",
            machine.NeedsConsolidation ? "Remove-NataliaSnapshot -Consolidate has the disks merged." : null);
    }

    /// <summary>
    /// Exports go to the host that has the VM, by the name that the vCenter knows it by: that name has to mean it here.
    /// </summary>
    private async Task CheckHostsAsync(CheckList checks, VimReference? own, CancellationToken cancellationToken)
    {
        if (!Vim.IsVirtualCenter) return;
        List<VimObject> hosts = [.. await Vim.FindAsync(null, "HostSystem", ["name", "runtime.connectionState"],
            cancellationToken).ConfigureAwait(false)];
        using var room = new SemaphoreSlim(HostsAtOnce);
        (VimObject Host, string? Why)[] probed = await Task.WhenAll(hosts.Select(ProbeAsync)).ConfigureAwait(false);
        foreach ((VimObject host, string? why) in probed.OrderBy(p => p.Host.Text("name"), StringComparer.Ordinal))
        {
            string name = host.Text("name") ?? host.Reference.Value;
            if (host.Text("runtime.connectionState") is string state and not "connected")
                checks.Add("VMHost", name, CheckOutcome.Skipped, "reachable from here", state,
                    $"The vCenter says of the host: {state}.");
            else if (HostProbe.IsBehindProxy(name))
                checks.Add("VMHost", name, CheckOutcome.Skipped, "reachable from here", "behind a proxy",
                    "Requests to it go through a proxy, and what that reaches is not known here.");
            else
                checks.Add("VMHost", name, why is null ? CheckOutcome.Passed
                    : host.Reference == own ? CheckOutcome.Failed : CheckOutcome.Warning, "reachable from here",
                    why ?? "reachable from here", why is null ? null
                        : "Exports (NFC) go straight to the host that has the VM: give this machine the host's name "
                        + $"(DNS) and its port {HttpsPort}.", ErrorIds.ServerUnreachable);
        }

        async Task<(VimObject, string?)> ProbeAsync(VimObject host)
        {
            string name = host.Text("name") ?? "";
            if (host.Text("runtime.connectionState") is string state and not "connected"
                || HostProbe.IsBehindProxy(name))
                return (host, null);
            await room.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return (host, await HostProbe.WhyNotAsync(name, HttpsPort, cancellationToken).ConfigureAwait(false));
            }
            finally
            {
                room.Release();
            }
        }
    }

    private async Task CheckLicenseAsync(CheckList checks, CancellationToken cancellationToken)
    {
        List<string> names = [];
        bool isFree = false;
        string? trouble = null;
        try
        {
            VimObject? manager = (await Vim.GetPropertiesAsync([Vim.Singleton("licenseManager")], ["licenses"],
                cancellationToken).ConfigureAwait(false)).FirstOrDefault();
            foreach (XElement license in manager?["licenses"]?.Elements() ?? [])
            {
                names.Add(license.Text("name") ?? "");
                // The edition of a host that anybody gets for nothing; programs may only read there.
                isFree |= license.Text("editionKey") == "esxBasic";
            }
        }
        catch (NataliaException e) when (e is VimFaultException || e.ErrorId == ErrorIds.CapabilityMissing)
        {
            trouble = e.Message;
        }
        bool isFreeHost = isFree && !Vim.IsVirtualCenter;
        checks.Add("License", machines.Location, names.Count == 0 ? CheckOutcome.NotEvidenced
            : isFreeHost ? CheckOutcome.Failed : CheckOutcome.Passed, "lets snapshots be taken",
            names.Count == 0 ? "unknown" : string.Join(", ", names.Distinct().Take(5)),
            isFreeHost ? "The free license of ESXi lets no program take snapshots (RestrictedVersion)." : trouble,
            ErrorIds.LicenseRestricted);
    }

    private Task<IReadOnlyList<VimObject>> StoresAsync(VirtualMachine machine, CancellationToken cancellationToken) =>
        Vim.GetPropertiesAsync(machine.Disks.Select(d => d.Datastore).OfType<VimReference>().Distinct(),
            ["name", "summary.type"], cancellationToken);

    private static string NameOf(VimObject o) => o.Text("name") ?? o.Reference.Value;
}
