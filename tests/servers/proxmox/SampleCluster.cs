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
