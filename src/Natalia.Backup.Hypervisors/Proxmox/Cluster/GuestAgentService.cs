using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>The QEMU guest agent: is it there, and commands through it.</summary>
internal sealed class GuestAgentService(ProxmoxCluster cluster) : IGuestChannel
{
    private const int MaximumInputBytes = 64 << 10;
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromSeconds(4);

    /// <summary>
    /// Asks the agent whether it answers. A VM without rights for that is an error, not "not running".
    /// </summary>
    internal async Task<GuestAgentState> PingAsync(string vmid, CancellationToken cancellationToken)
    {
        try
        {
            await cluster.AtGuestAsync(vmid,
                g => cluster.Client.PostAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{vmid}/agent/ping"), null,
                    cancellationToken, AgentRight(vmid, "VM.GuestAgent.Audit")),
                cancellationToken).ConfigureAwait(false);
            return GuestAgentState.Running;
        }
        catch (ApiException e) when (e.Says("No QEMU guest agent configured"))
        {
            return GuestAgentState.Disabled;
        }
        catch (ApiException e)
            when (e.Says("guest agent is not running") || e.Says("is not running") || e.Says("got timeout"))
        {
            return GuestAgentState.NotRunning;
        }
    }

    /// <summary>The agent runs commands as itself: it needs no credential, and takes none.</summary>
    public async Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        TimeProvider clock = cluster.Client.Clock;
        long start = clock.GetTimestamp();
        while (true)
        {
            GuestAgentState state = await PingAsync(nativeId, cancellationToken).ConfigureAwait(false);
            TimeSpan elapsed = clock.GetElapsedTime(start);
            if (state == GuestAgentState.Running) return new AgentGuest(this, nativeId);
            if (state == GuestAgentState.Disabled)
                throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.ResourceUnavailable,
                    $"VM {nativeId} has no guest agent configured, so no command can reach it.", nativeId,
                    "Switch on 'QEMU Guest Agent' in the VM's options, and install qemu-guest-agent in the guest.");
            if (elapsed >= timeout)
                throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
                    $"The guest agent of VM {nativeId} did not answer within {timeout.TotalSeconds:0} seconds.",
                    nativeId,
                    "Look at the VM's console: it may not have booted, or qemu-guest-agent may not be installed in "
                    + "it.");
            await clock.WaitAsync(s_pollInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    internal async Task<GuestCommandResult> RunAsync(string nativeId, GuestCommand command,
        CancellationToken cancellationToken)
    {
        if (command.Arguments.Count == 0) throw new ArgumentException("A program is needed.", nameof(command));
        if (command.Input is string input && System.Text.Encoding.UTF8.GetByteCount(input) > MaximumInputBytes)
            throw new ArgumentException("The input of a guest command is 64 KiB at most.", nameof(command));
        string program = command.Arguments[0];
        TimeProvider clock = cluster.Client.Clock;
        long start = clock.GetTimestamp();
        // One repeated key per argument: there is no shell that would split or expand anything.
        var arguments = new ApiArguments { { "command", command.Arguments }, { "input-data", command.Input } };
        JsonElement started;
        try
        {
            started = (await cluster.AtGuestAsync(nativeId,
                g => cluster.Client.PostAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{nativeId}/agent/exec"), arguments,
                    cancellationToken, AgentRight(nativeId, "VM.GuestAgent.Unrestricted")),
                cancellationToken).ConfigureAwait(false)).Data;
        }
        catch (ApiException e) when (e.Says("guest agent") && e.Status == 500)
        {
            throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.ResourceUnavailable,
                $"'{program}' could not be started in VM {nativeId}: {e.ServerText}", nativeId,
                "Check that qemu-guest-agent runs in the guest and allows commands.", e);
        }
        long pid = started.Long("pid")
            ?? throw new ApiException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"'{cluster.Location}' started '{program}' in VM {nativeId} without saying under which number.",
                nativeId);

        TimeSpan pause = TimeSpan.FromMilliseconds(500);
        while (true)
        {
            JsonElement status;
            try
            {
                // The agent forgets the program with the first answer that says "exited"; that answer is the only one.
                status = (await cluster.AtGuestAsync(nativeId,
                    g => cluster.Client.GetAsync(ApiPath.Of($"/nodes/{g.Node}/qemu/{nativeId}/agent/exec-status"),
                        new ApiArguments { { "pid", pid } }, cancellationToken,
                        AgentRight(nativeId, "VM.GuestAgent.Unrestricted")),
                    cancellationToken).ConfigureAwait(false)).Data;
            }
            catch (ApiException e) when (e.Says("PID") && e.Says("does not exist"))
            {
                throw new NataliaException(ErrorIds.GuestCommandFailed, NataliaErrorKind.ReadFailed,
                    $"The result of '{program}' in VM {nativeId} was lost on its way: the guest agent gives it only "
                    + "once.",
                    nativeId, "Run it again.", e);
            }
            if (status.Flag("exited") == true)
                return new GuestCommandResult((int?)status.Long("exitcode"), (int?)status.Long("signal"),
                    status.Text("out-data") ?? "", status.Text("err-data") ?? "",
                    status.Flag("out-truncated") == true || status.Flag("err-truncated") == true,
                    clock.GetElapsedTime(start));
            if (clock.GetElapsedTime(start) >= command.Timeout)
                throw new NataliaException(ErrorIds.GuestCommandTimeout, NataliaErrorKind.Timeout,
                    $"'{program}' in VM {nativeId} has not ended after "
                    + $"{command.Timeout.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} seconds; it runs "
                    + $"on (process {pid}).",
                    nativeId,
                    "A child that keeps the output open counts as running, too.");
            await clock.WaitAsync(pause, cancellationToken).ConfigureAwait(false);
            if (pause < TimeSpan.FromSeconds(3)) pause = TimeSpan.FromTicks(pause.Ticks * 3 / 2);
        }
    }

    /// <summary>Proxmox VE 9 split the one right of earlier versions.</summary>
    private RequiredRight AgentRight(string vmid, string privilege) =>
        new(cluster.Version.Major is > 0 and < 9 ? "VM.Monitor" : privilege, $"/vms/{vmid}");
}
