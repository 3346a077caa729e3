using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Operations.Connections;

/// <summary>
/// A connected hypervisor with the session that describes it and what a profile needs to connect again.
/// </summary>
internal sealed class HypervisorConnection(HypervisorSession session, IHypervisor hypervisor,
    HypervisorSettings settings)
    : IConnection
{
    internal HypervisorSession Session { get; } = session;

    internal IHypervisor Hypervisor { get; } = hypervisor;

    internal HypervisorSettings Settings { get; } = settings;

    public string Name => Session.Name;

    public string? Identity => null;

    public string Location => Session.Location;

    public bool IsLimited => false;

    public void Dispose() => Hypervisor.Dispose();
}
