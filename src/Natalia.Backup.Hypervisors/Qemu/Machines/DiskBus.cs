namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>What a VM's disks hang on.</summary>
internal enum DiskBus
{
    /// <summary>QEMU's own, fast.</summary>
    Virtio = 0,
    /// <summary>What every system has a driver for.</summary>
    Sata,
}
