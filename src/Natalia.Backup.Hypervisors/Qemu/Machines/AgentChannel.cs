using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>Commands in a guest by the QEMU guest agent, over the socket of its channel.</summary>
internal sealed class AgentChannel(MachineFolders folders, HostCalls calls, TimeProvider clock) : IGuestChannel
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1), s_answer = TimeSpan.FromSeconds(5);

    /// <summary>The agent runs commands as itself: it needs no credential, and takes none.</summary>
    public async Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Machine machine = calls.Make("find guest", () => folders.Find(nativeId))
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"There is no VM {nativeId}.", nativeId);
        string socket = machine.Agent ?? throw new NataliaException(ErrorIds.GuestNotReachable,
            NataliaErrorKind.ResourceUnavailable,
            $"The VM '{machine.Name}' states no 'agentSocket', so no command can reach its guest.", nativeId,
            "Give it a channel for the QEMU guest agent, and state its socket in vm.json.");
        long start = clock.GetTimestamp();
        while (true)
        {
            try
            {
                using AgentClient agent = await calls.MakeAsync("open agent",
                    () => AgentClient.ConnectAsync(socket, s_answer, cancellationToken)).ConfigureAwait(false);
                return new AgentGuest(socket, nativeId, calls, clock);
            }
            catch (NataliaException e) when (e.ErrorId is ErrorIds.GuestNotReachable or ErrorIds.ServerAnswerInvalid)
            {
                if (clock.GetElapsedTime(start) >= timeout)
                    throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
                        $"The guest agent of the VM '{machine.Name}' did not answer within {timeout.TotalSeconds:0} "
                        + "seconds.",
                        nativeId,
                        "It may not have booted, or qemu-guest-agent may not be installed in it. Give it more time, "
                        + "or keep the VM and look at its console.", e);
            }
            await clock.WaitAsync(s_pause, cancellationToken).ConfigureAwait(false);
        }
    }
}
