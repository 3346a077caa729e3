using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>
/// Lets the guest write out and hold its file systems for a moment, through its agent. Whatever happens in between,
/// they are let go of.
/// </summary>
internal sealed class GuestFreezer(Machine machine, HostCalls calls)
{
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(5), s_freeze = TimeSpan.FromSeconds(30),
        s_thaw = TimeSpan.FromSeconds(30), s_cleanUp = TimeSpan.FromMinutes(1);

    /// <summary>Whether the file systems may be held: from the moment on in which it was asked for.</summary>
    internal bool MayHold { get; private set; }

    /// <summary>Freezes.</summary>
    /// <returns>Why it was not reached, in a full sentence; null when the file systems are frozen.</returns>
    internal async Task<string?> FreezeAsync(CancellationToken cancellationToken)
    {
        if (machine.Agent is not string socket)
            return "The VM states no 'agentSocket', so nobody could ask its guest to put its data in order.";
        try
        {
            JsonElement frozen = await calls.MakeAsync("freeze guest", async () =>
            {
                using AgentClient agent = await AgentClient.ConnectAsync(socket, s_answer, cancellationToken)
                    .ConfigureAwait(false);
                MayHold = true;
                return await agent.ExecuteAsync("guest-fsfreeze-freeze", null, s_freeze, cancellationToken)
                    .ConfigureAwait(false);
            }).ConfigureAwait(false);
            return frozen.ValueKind == JsonValueKind.Number && frozen.TryGetInt64(out long count) && count > 0
                ? null
                : "The guest has no file system that it could hold.";
        }
        catch (NataliaException e)
        {
            return $"The guest did not put its data in order: {e.Message}";
        }
    }

    /// <summary>Lets the file systems go; tried again for a minute, whatever token is cancelled.</summary>
    /// <returns>Why they may still be held, in a full sentence; null when they are not.</returns>
    internal async Task<string?> ThawAsync()
    {
        if (machine.Agent is not string socket) return null;
        using var limit = new CancellationTokenSource(s_cleanUp);
        string? why = null;
        while (!limit.IsCancellationRequested)
        {
            try
            {
                await calls.MakeAsync("thaw guest", async () =>
                {
                    using AgentClient agent = await AgentClient.ConnectAsync(socket, s_answer, limit.Token)
                        .ConfigureAwait(false);
                    await agent.ExecuteAsync("guest-fsfreeze-thaw", null, s_thaw, limit.Token).ConfigureAwait(false);
                }).ConfigureAwait(false);
                return null;
            }
            catch (QmpException e) when (e.ErrorClass == "CommandNotFound")
            {
                // An agent that cannot thaw has not frozen either.
                return null;
            }
            catch (NataliaException e)
            {
                why = e.Message;
                // Nobody is there who could hold anything.
                if (!await LiveMachine.IsRunningAsync(machine, CancellationToken.None).ConfigureAwait(false))
                    return null;
            }
            catch (OperationCanceledException)
            {
                break;
            }
            await Task.Delay(500).ConfigureAwait(false);
        }
        return $"The guest's file systems may still be frozen: {why}";
    }
}
