using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>A VM as it was when it was asked for.</summary>
internal sealed class VirtualMachine
{
    /// <summary>What is read of a VM.</summary>
    internal static readonly string[] Paths =
    [
        "name", "config", "runtime", "snapshot", "guest.toolsRunningStatus", "guest.toolsVersionStatus2",
        "guestHeartbeatStatus", "parent", "capability.changeTrackingSupported", "layoutEx.file",
    ];

    private readonly VimObject _object;

    internal VirtualMachine(VimObject o)
    {
        _object = o;
        Disks = VirtualDiskDevice.Read(Config);
        Snapshots = SnapshotNode.Read(o["snapshot"]);
    }

    internal VimReference Reference => _object.Reference;

    internal string Name => _object.Text("name") ?? Reference.Value;

    /// <summary>VirtualMachineConfigInfo; null when the caller may not see it, or the VM is being made.</summary>
    internal XElement? Config => _object["config"];

    /// <summary>The id that a vCenter guarantees to be its VM's alone, and that the VM keeps on its way from host to
    /// host.</summary>
    internal string InstanceUuid => Config.Text("instanceUuid") ?? "";

    /// <summary>
    /// Which version of the configuration this is, opaque; sent with a change, the server refuses it
    /// (<c>ConcurrentAccess</c>) when anything was changed since. Null when the server tells none.
    /// </summary>
    internal string? ChangeVersion => Config.Text("changeVersion") is { Length: > 0 } version ? version : null;

    internal IReadOnlyList<VirtualDiskDevice> Disks { get; }

    /// <summary>All snapshots, the oldest first.</summary>
    internal IReadOnlyList<SnapshotNode> Snapshots { get; }

    /// <summary><c>poweredOn</c>, <c>poweredOff</c>, <c>suspended</c>.</summary>
    internal string Power => _object["runtime"].Text("powerState") ?? "unknown";

    internal bool IsRunning => Power == "poweredOn";

    /// <summary>Whether the server shows the snapshots; else that there are none says nothing.</summary>
    internal bool ShowsSnapshots => Config is not null
        && !(_object.Missing.TryGetValue("snapshot", out string? why) && why == "NoPermission");

    internal VimReference? Host => VimXml.ReferenceOf(_object["runtime"].Member("host"));

    internal VimReference? Parent => _object.ReferenceAt("parent");

    internal string Connection => _object["runtime"].Text("connectionState") ?? "connected";

    internal bool NeedsConsolidation => _object["runtime"].Flag("consolidationNeeded") == true;

    internal bool IsTemplate => Config.Flag("template") == true;

    internal bool IsEncrypted => Config.Member("keyId") is not null;

    /// <summary>Whether changes are to be tracked, by the VM's setting; each disk's snapshot says whether they
    /// are.</summary>
    internal bool IsTracked => Config.Flag("changeTrackingEnabled") == true;

    internal bool CanTrack => _object.Flag("capability.changeTrackingSupported") == true;

    internal bool AreToolsRunning => _object.Text("guest.toolsRunningStatus") == "guestToolsRunning";

    internal string? ToolsRunning => _object.Text("guest.toolsRunningStatus");

    internal string? ToolsVersion => _object.Text("guest.toolsVersionStatus2");

    /// <summary><c>green</c>, <c>yellow</c>, <c>red</c>; <c>gray</c> where nothing beats.</summary>
    internal string Heartbeat => _object.Text("guestHeartbeatStatus") ?? "gray";

    /// <summary>The hardware's version; null when it is not said.</summary>
    internal int? HardwareVersion => Config.Text("version") is string version
        && int.TryParse(version.Replace("vmx-", ""), out int number) ? number : null;

    internal string? Firmware => Config.Text("firmware");

    /// <summary>The VM's files of a kind (<c>nvram</c>), as datastore paths.</summary>
    internal IEnumerable<string> Files(string type) => _object["layoutEx.file"]?.Elements()
        .Where(f => f.Text("type") == type).Select(f => f.Text("name")).OfType<string>() ?? [];

    /// <summary>The VM with this id now; null when it is gone.</summary>
    internal static async Task<VirtualMachine?> ReadAsync(IVimService vim, VimReference reference,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<VimObject> found = await vim.GetPropertiesAsync([reference], Paths,
            cancellationToken).ConfigureAwait(false);
        return found.Count == 0 ? null : new VirtualMachine(found[0]);
    }

    /// <summary>One of its disks.</summary>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>.</exception>
    internal VirtualDiskDevice Disk(string diskId) => Disks.FirstOrDefault(d => d.DiskId == diskId)
        ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
            $"'{Name}' has no disk '{diskId}'; it has {string.Join(", ", Disks.Select(d => $"'{d.DiskId}'"))}.", Name);
}
