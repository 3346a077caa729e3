namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>What a cluster with an appliance looks like.</summary>
internal static class SampleCluster
{
    internal static void AddStorages(SimulatedCluster cluster)
    {
        cluster.Storages.Add(new SimulatedStorage { Name = "pbs", Type = "pbs", Shared = true });
        cluster.Storages.Add(new SimulatedStorage { Name = "pbs-data", Type = "pbs", Shared = true });
        cluster.Storages.Add(new SimulatedStorage
        {
            Name = "nas",
            Type = "nfs",
            Shared = true,
            Content = "backup,iso",
        });
        cluster.Storages.Add(new SimulatedStorage { Name = "local", Type = "dir", Content = "backup,iso" });
        cluster.Storages.Add(new SimulatedStorage
        {
            Name = "tank",
            Type = "zfspool",
            Content = "images,rootdir",
            Nodes = ["pve1", "pve2"],
        });
        cluster.Storages.Add(new SimulatedStorage { Name = "thin", Type = "lvmthin", Content = "images,rootdir" });
    }

    /// <summary>
    /// The appliance that tests/servers/appliance makes, switched off, on volumes of its own. It is a real VM when it
    /// is on.
    /// </summary>
    internal static SimulatedGuest RealAppliance(RealHost host, int vmid, string name, string node, string folder)
    {
        SimulatedGuest guest = Appliance(vmid, name, node);
        guest.Running = false;
        guest.Config["cores"] = "2";
        guest.Config["memory"] = "1024";
        foreach ((string disk, string file) in new[] { ("scsi0", "system.raw"), ("scsi1", "data.raw") })
        {
            string image = Path.Combine(folder, file), volume = guest.Config[disk].Split(',')[0];
            guest.Config[disk] = $"{volume},size={new FileInfo(image).Length >> 20}M";
            RealHost.Copy(new Dictionary<string, string> { [disk] = image },
                new Dictionary<string, string> { [disk] = host.Volume(volume) });
        }
        return guest;
    }

    internal static SimulatedGuest Appliance(int vmid, string name, string node) => new()
    {
        Vmid = vmid,
        Node = node,
        Config = new()
        {
            ["name"] = name,
            ["cores"] = "4",
            ["memory"] = "8192",
            ["agent"] = "enabled=1,fstrim_cloned_disks=1",
            ["boot"] = "order=scsi0;net0",
            ["ostype"] = "l26",
            ["scsihw"] = "virtio-scsi-single",
            ["scsi0"] = $"tank:vm-{vmid}-disk-0,discard=on,iothread=1,size=32G,ssd=1",
            ["scsi1"] = $"tank:vm-{vmid}-disk-1,discard=on,iothread=1,serial=DATA{vmid},size=200G",
            ["ide2"] = "local:iso/debian.iso,media=cdrom,size=600M",
            ["net0"] = "virtio=BC:24:11:12:34:56,bridge=vmbr0,firewall=1,tag=20",
            ["meta"] = "creation-qemu=9.0.2,ctime=1700000000",
            ["smbios1"] = "uuid=8a2b54f2-0000-4000-8000-000000000100",
        },
    };
}
