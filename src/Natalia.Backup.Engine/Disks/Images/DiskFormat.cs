namespace Natalia.Backup.Engine.Disks.Images;

/// <summary>What a disk can be written as.</summary>
public enum DiskFormat
{
    /// <summary>Byte n of the disk is byte n of the file.</summary>
    Raw = 0,
    /// <summary>For Hyper-V: a file of growing size, to 64 TiB.</summary>
    Vhdx,
    /// <summary>For VMware Workstation and other programs: one sparse file, to 2 TiB.</summary>
    Vmdk,
    /// <summary>As it lies on a datastore of ESXi: a text, and a second file with the bytes, to 64 TiB.</summary>
    VmdkFlat,
    /// <summary>As OVF packages hold it: one compressed file.</summary>
    VmdkStreamOptimized,
}
