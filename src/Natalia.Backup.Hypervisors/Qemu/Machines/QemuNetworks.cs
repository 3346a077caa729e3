using Natalia.Backup.Engine;

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

    internal const string BridgePrefix = "bridge ";

    /// <summary>Those that lead nowhere, the most isolated one first.</summary>
    internal static IReadOnlyList<string> Isolated { get; } = [None, Restricted];

    internal static bool IsIsolated(string network) => Isolated.Contains(network, StringComparer.Ordinal);

    /// <summary>Whether a VM can be connected to it: isolated, or a bridge of this machine.</summary>
    internal static bool CanConnect(string network) => IsIsolated(network) || IsBridge(network);

    /// <summary>How what is read back of an adapter is called: no bridge can be taken for an isolated one.</summary>
    internal static string Describe(string network) => IsIsolated(network) ? network : BridgePrefix + network;

    internal static NataliaException NotFound(string name) =>
        new(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
        $"There is no network '{name}' for VMs on this machine.", name,
        $"Isolated ones are called {string.Join(" and ", Isolated.Select(n => $"'{n}'"))}; a bridge of this machine "
        + "can be named as well, but not for a test.");

    private static bool IsBridge(string name) =>
        name.IndexOf('/') < 0 && Directory.Exists(Path.Combine("/sys/class/net", name, "bridge"));
}
