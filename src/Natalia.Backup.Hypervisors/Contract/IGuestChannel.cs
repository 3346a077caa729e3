using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: commands inside a VM, through the hypervisor or over an isolated network. Any thread.</summary>
public interface IGuestChannel
{
    /// <summary>Waits until the guest takes commands.</summary>
    /// <param name="nativeId">The hypervisor's id of the VM.</param>
    /// <param name="who">Who the commands run as, where the channel asks for that; null where it needs nobody, as a
    /// guest agent.</param>
    /// <param name="timeout">How long at most.</param>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>, <c>PermissionDenied</c>; over SSH also
    /// <c>AuthenticationFailed</c>, <c>SshHostKeyNotTrusted</c>, <c>SshKeyInvalid</c>.</exception>
    Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken);
}
