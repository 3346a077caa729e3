using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: runs a command inside a VM without any network.</summary>
public interface IGuestChannel
{
    /// <summary>Waits until the guest answers.</summary>
    /// <param name="nativeId">The hypervisor's id of the VM.</param>
    /// <param name="timeout">How long at most.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>How long it took.</returns>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>.</exception>
    Task<TimeSpan> WaitForGuestAsync(string nativeId, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Runs a program, without a shell, and waits for its end.</summary>
    /// <param name="nativeId">The hypervisor's id of the VM.</param>
    /// <param name="command">What to run.</param>
    /// <param name="cancellationToken">Stops the wait; the program itself runs on.</param>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>, <c>GuestCommandTimeout</c>, <c>PermissionDenied</c>.</exception>
    Task<GuestCommandResult> RunAsync(string nativeId, GuestCommand command, CancellationToken cancellationToken);
}
