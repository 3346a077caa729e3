namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>What this kind of hypervisor is called.</summary>
internal static class QemuHypervisorKind
{
    internal const string Name = "Qemu";
}
