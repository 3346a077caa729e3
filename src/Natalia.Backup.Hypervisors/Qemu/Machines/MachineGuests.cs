using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Ssh;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>The guest agent's channel; or SSH for whoever names the guest's host key.</summary>
internal sealed class MachineGuests(AgentChannel agent, SshGuestChannel ssh) : IGuestChannel
{
    public Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken) =>
        who?.HostKey is null
            ? agent.OpenAsync(nativeId, who, timeout, cancellationToken)
            : ssh.OpenAsync(nativeId, who, timeout, cancellationToken);
}
