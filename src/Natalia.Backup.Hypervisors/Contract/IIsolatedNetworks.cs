namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: networks for test VMs that lead nowhere by their making, so that nobody has to set one up.
/// </summary>
public interface IIsolatedNetworks
{
    /// <summary>Their names, at least one; the first is the one to take where none is asked for.</summary>
    IReadOnlyList<string> IsolatedNetworks { get; }

    /// <summary>The one of them on which this machine, and nobody else, reaches a guest's SSH server; null for none.
    /// </summary>
    string? IsolatedNetworkWithSsh { get; }
}
