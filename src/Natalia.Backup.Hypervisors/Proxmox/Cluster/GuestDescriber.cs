using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>Turns a configuration into the product's description.</summary>
internal static class GuestDescriber
{
    /// <summary>The state of a VM whose node does not answer.</summary>
    internal const string SilentState = "unknown";

    internal static ApplianceDescription Describe(string applianceId, string vmid, string name, GuestConfig config,
        ClusterGuest? guest)
    {
        string? boot = config.BootDrive;
        var disks = config.Disks.ToList();
        var others = disks.Where(d => d.Key != boot).ToList();
        var described = new List<ApplianceDisk>();
        foreach (GuestDrive drive in config.Drives)
        {
            if (drive.IsCdRom) continue;
            DiskRole role = drive.Key == boot || drive.IsFirmware ? DiskRole.System
                // The only disk that does not boot is the data disk; of several, somebody must say which.
                : boot is not null && others.Count == 1 ? DiskRole.Data : DiskRole.Unknown;
            described.Add(new ApplianceDisk(drive.Key, role, drive.SizeBytes, drive.Volume));
        }
        // Not from the overview: that is never more than the host has.
        long? cores = Number(config["cores"]) ?? 1, sockets = Number(config["sockets"]) ?? 1;
        long? memory = Number(PropertyString.Parse(config["memory"] ?? "") is { } m ? m["current"] ?? m.Bare : null);
        return new ApplianceDescription
        {
            ApplianceId = applianceId,
            Name = name,
            HypervisorKind = ProxmoxCluster.KindName,
            NativeId = vmid,
            ProcessorCount = (int?)(Number(config["vcpus"]) ?? cores * sockets),
            MemoryBytes = memory is long mib ? mib << 20 : guest?.MemoryBytes,
            Networks = [.. config.Networks.Select(n => Network(n.Value))],
            Disks = described,
            NativeFormat = "qemu-server",
            NativeConfiguration = config.ToText(),
            State = guest is null ? null : new ApplianceState
            {
                VMHost = guest.Node,
                Power = guest.Status,
                GuestAgent = config.IsAgentEnabled ? GuestAgentState.Enabled : GuestAgentState.Disabled,
                HighAvailability = guest.HighAvailability,
                Lock = guest.Lock,
                Pool = guest.Pool,
                Tags = guest.Tags,
                IsTemplate = guest.IsTemplate,
            },
        };
    }

    /// <summary>A VM whose node does not answer: what an archive holds of it, and nothing of how it is now.</summary>
    internal static ApplianceDescription DescribeSilent(string applianceId, ClusterGuest guest, GuestConfig? archived)
    {
        ApplianceDescription then = Describe(applianceId, guest.Vmid,
            guest.KnownName ?? archived?["name"] ?? guest.Name, archived ?? GuestConfig.Unknown, guest);
        return then with
        {
            ProcessorCount = archived is null ? null : then.ProcessorCount,
            NativeConfiguration = archived is null ? null : then.NativeConfiguration,
            NativeFormat = archived is null ? null : then.NativeFormat,
            State = then.State! with { Power = SilentState, GuestAgent = GuestAgentState.Unknown },
        };
    }

    /// <summary>
    /// The MAC address stands behind the adapter's model: <c>virtio=BC:24:…</c>, or behind <c>macaddr</c>.
    /// </summary>
    internal static string? MacAddress(PropertyString adapter) =>
        adapter["macaddr"]
        ?? adapter.Keys.Select(k => adapter[k]).FirstOrDefault(v => v is { Length: 17 } && v.Split(':').Length == 6);

    /// <summary>The adapter's model, which is the key of its address, or the bare first item.</summary>
    internal static string Model(PropertyString adapter) =>
        adapter["model"] ?? adapter.Keys.FirstOrDefault(k => adapter[k] is { Length: 17 } v && v.Split(':').Length == 6)
        ?? adapter.Bare ?? "virtio";

    private static ApplianceNetwork Network(PropertyString adapter) =>
        new(adapter["bridge"] ?? "(none)", Number(adapter["tag"]) is long tag and >= 1 and <= 4094 ? (int)tag : null,
            MacAddress(adapter));

    private static long? Number(string? text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long n) ? n : null;
}
