using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>
/// Lets the guest write out and hold its file systems for a moment, through its agent. Whatever happens in between,
/// they are let go of.
/// </summary>
internal sealed class GuestFreezer(Machine machine, HostCalls calls, TimeProvider clock)
{
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(5), s_freeze = TimeSpan.FromSeconds(30),
        s_thaw = TimeSpan.FromSeconds(30), s_cleanUp = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Whether the file systems may be held for this run: from the moment on in which it was asked for, unless the
    /// agent refused even to try.
    /// </summary>
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
            // An agent takes no such command while somebody else holds the file systems: they are not ours to let go.
            if (e is QmpException { IsCommandDisabled: true }) MayHold = false;
            return $"The guest did not put its data in order: {e.Message}";
        }
    }

    /// <summary>Lets the file systems go; tried again for a minute, whatever token is cancelled.</summary>
    internal async Task<GuestThaw> ThawAsync()
    {
        if (machine.Agent is not string socket) return default;
        using Deadline limit = clock.CreateDeadline(s_cleanUp, CancellationToken.None);
        string? why = null, letGo = null;
        while (!limit.Token.IsCancellationRequested)
        {
            try
            {
                JsonElement thawed = await calls.MakeAsync("thaw guest", async () =>
                {
                    using AgentClient agent = await AgentClient.ConnectAsync(socket, s_answer, limit.Token)
                        .ConfigureAwait(false);
                    return await agent.ExecuteAsync("guest-fsfreeze-thaw", null, s_thaw, limit.Token)
                        .ConfigureAwait(false);
                }).ConfigureAwait(false);
                // How many file systems were held until now.
                if (thawed.ValueKind != JsonValueKind.Number || !thawed.TryGetInt64(out long count) || count <= 0)
                    letGo ??= "The guest held its file systems no longer when it was told to let them go.";
                return new GuestThaw(null, letGo);
            }
            catch (QmpException e) when (e.ErrorClass == "CommandNotFound")
            {
                // An agent that cannot thaw has not frozen either.
                return new GuestThaw(null, letGo ?? e.Message);
            }
            catch (NataliaException e)
            {
                why = e.Message;
                // Windows lets go of its own accord after ten seconds. It says so once; asked again it says nothing.
                if (e is QmpException)
                    letGo ??= $"The guest's file systems did not thaw as they should: {e.Message.TrimEnd('.')}. They "
                        + "may have thawed too early.";
                // Nobody is there who could hold anything.
                if (!await MayRunAsync().ConfigureAwait(false))
                    return new GuestThaw(null, letGo ?? why);
            }
            catch (OperationCanceledException)
            {
                break;
            }
            await Task.Delay(500).ConfigureAwait(false);
        }
        string still = $"The guest's file systems may still be frozen: {why}";
        return new GuestThaw(still, letGo ?? still);
    }

    private async Task<bool> MayRunAsync()
    {
        try
        {
            return await LiveMachine.IsRunningAsync(machine, CancellationToken.None).ConfigureAwait(false);
        }
        catch (NataliaException)
        {
            return true;
        }
    }
}

/// <summary>What came of letting the file systems go.</summary>
/// <param name="StillHeld">Why they may still be held, in a full sentence; null when they are not.</param>
/// <param name="LetGo">Why they may have been let go of before, so that nothing is known of what was taken meanwhile,
/// in a full sentence; null when they were held until now.</param>
internal readonly record struct GuestThaw(string? StillHeld, string? LetGo);
