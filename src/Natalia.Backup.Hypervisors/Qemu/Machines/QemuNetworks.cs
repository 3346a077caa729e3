namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>The networks that a VM can be connected to without anything being set up on this machine.</summary>
internal static class QemuNetworks
{
    /// <summary>Each adapter for itself, connected to nothing.</summary>
    internal const string None = "none";

    /// <summary>
    /// QEMU's user network with restrict=on: the guest reaches nothing, and this machine reaches the guest's SSH port
    /// by one port of its own, which only this machine sees.
    /// </summary>
    internal const string Restricted = "restricted";

    /// <summary>Those that lead nowhere, the most isolated one first.</summary>
    internal static IReadOnlyList<string> Isolated { get; } = [None, Restricted];

    internal static bool IsIsolated(string network) => Isolated.Contains(network, StringComparer.Ordinal);
}
