using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>A guest that answers. Disposing it ends the channel, and changes nothing in the guest.</summary>
public interface IGuest : IAsyncDisposable
{
    /// <summary>Runs a program, without a shell, and waits for its end.</summary>
    /// <param name="command">What to run.</param>
    /// <param name="cancellationToken">Stops the wait; the program itself may run on.</param>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>, <c>GuestCommandTimeout</c>,
    /// <c>GuestCommandFailed</c>, <c>PermissionDenied</c>.</exception>
    Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken);
}
