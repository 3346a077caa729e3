namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>What a VM boots by.</summary>
internal enum Firmware
{
    /// <summary>The BIOS of PCs (SeaBIOS).</summary>
    Bios = 0,
    /// <summary>UEFI (OVMF), whose variables lie in a file of the VM.</summary>
    Uefi,
}
