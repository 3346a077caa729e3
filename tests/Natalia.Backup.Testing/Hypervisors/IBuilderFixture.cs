using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// A hypervisor that builds VMs, seen from outside: what a conformance test changes and looks at behind the builder's
/// back.
/// </summary>
public interface IBuilderFixture : IAsyncDisposable
{
    /// <summary>A connection of its own, as another process would make it.</summary>
    /// <param name="lifetime">Before which of its calls it dies; null for a long life.</param>
    Task<IHypervisor> ConnectAsync(int? lifetime = null);

    /// <summary>The VMs that are there, by the hypervisor's id.</summary>
    IReadOnlyCollection<string> VMs { get; }

    /// <summary>A network that the point's adapters can be moved to.</summary>
    string OtherNetwork { get; }

    /// <summary>
    /// A network that is not there, or null where a network is a name and nothing else.
    /// </summary>
    string? UnknownNetwork => "no-such-network";

    /// <summary>The networks of a VM's adapters.</summary>
    IReadOnlyList<string> NetworksOf(string nativeId);

    /// <summary>The bytes of a VM's disk.</summary>
    byte[] Read(string nativeId, string diskId);

    /// <summary>Switches a VM on behind the builder's back; false where VMs cannot be.</summary>
    Task<bool> StartAsync(string nativeId) => Task.FromResult(false);

    /// <summary>Gives the id to somebody else's VM.</summary>
    void Replace(string nativeId);
}
