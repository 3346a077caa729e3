using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>A guest whose agent has answered. Each command finds the VM's node anew.</summary>
internal sealed class AgentGuest(GuestAgentService agent, string vmid) : IGuest
{
    public Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken) =>
        agent.RunAsync(vmid, command, cancellationToken);

    public ValueTask DisposeAsync() => default;
}
