using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// A guest whose agent has answered. The channel is held for one command at a time, because it takes one client only.
/// </summary>
internal sealed class AgentGuest(string socket, string nativeId, HostCalls calls, TimeProvider clock) : IGuest
{
    private const int MostInput = 64 << 10;

    /// <summary>What is kept of each output, in bytes: a check that says more says too much.</summary>
    internal const int MostOutput = 1 << 20;

    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(30);

    public async Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken)
    {
        if (command.Arguments.Count == 0) throw new ArgumentException("A program is needed.", nameof(command));
        byte[]? input = command.Input is string text ? Encoding.UTF8.GetBytes(text) : null;
        if (input?.Length > MostInput)
            throw new ArgumentException("The input of a guest command is 64 KiB at most.", nameof(command));
        string program = command.Arguments[0];
        long start = clock.GetTimestamp();
        using AgentClient agent = await calls.MakeAsync("open agent",
            () => AgentClient.ConnectAsync(socket, s_answer, cancellationToken)).ConfigureAwait(false);
        long process = await StartAsync(agent, command, input, cancellationToken).ConfigureAwait(false);
        TimeSpan pause = TimeSpan.FromMilliseconds(50);
        while (true)
        {
            // The agent forgets the program with the first answer that says "exited"; that answer is the only one.
            JsonElement status = await AskAsync(agent, program, process, cancellationToken).ConfigureAwait(false);
            if (status.Flag("exited") == true) return Read(status, program, clock.GetElapsedTime(start));
            if (clock.GetElapsedTime(start) >= command.Timeout)
                throw new NataliaException(ErrorIds.GuestCommandTimeout, NataliaErrorKind.Timeout,
                    $"'{program}' in VM {nativeId} has not ended after {command.Timeout.TotalSeconds:0} seconds; it "
                    + $"runs on (process {process}).",
                    nativeId, "A child that keeps the output open counts as running, too.");
            await clock.WaitAsync(pause, cancellationToken).ConfigureAwait(false);
            if (pause < TimeSpan.FromSeconds(2)) pause = TimeSpan.FromTicks(pause.Ticks * 3 / 2);
        }
    }

    public ValueTask DisposeAsync() => default;

    private async Task<long> StartAsync(AgentClient agent, GuestCommand command, byte[]? input,
        CancellationToken cancellationToken)
    {
        var arguments = new JsonObject
        {
            ["path"] = command.Arguments[0],
            ["arg"] = new JsonArray([.. command.Arguments.Skip(1).Select(a => (JsonNode?)a)]),
            ["capture-output"] = true,
        };
        if (input is not null) arguments["input-data"] = Convert.ToBase64String(input);
        try
        {
            JsonElement started = await calls.MakeAsync("start command",
                () => agent.ExecuteAsync("guest-exec", arguments, s_answer, cancellationToken)).ConfigureAwait(false);
            return started.Number("pid") ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid,
                NataliaErrorKind.InvalidData,
                $"The guest agent of VM {nativeId} started '{command.Arguments[0]}' without saying under which number.",
                nativeId);
        }
        catch (QmpException e)
        {
            bool isForbidden = e.IsCommandDisabled;
            throw new NataliaException(isForbidden ? ErrorIds.PermissionDenied : ErrorIds.GuestCommandFailed,
                isForbidden ? NataliaErrorKind.PermissionDenied : NataliaErrorKind.InvalidOperation,
                $"'{command.Arguments[0]}' could not be started in VM {nativeId}: {e.ServerText}", nativeId,
                isForbidden
                    ? "Allow guest-exec in the settings of qemu-guest-agent in the guest."
                    : "See whether the program is there, with its full path, and can be executed.", e);
        }
    }

    private async Task<JsonElement> AskAsync(AgentClient agent, string program, long process,
        CancellationToken cancellationToken)
    {
        try
        {
            return await calls.MakeAsync("ask command", () => agent.ExecuteAsync("guest-exec-status",
                new JsonObject { ["pid"] = process }, s_answer, cancellationToken)).ConfigureAwait(false);
        }
        catch (QmpException e)
        {
            throw new NataliaException(ErrorIds.GuestCommandFailed, NataliaErrorKind.ReadFailed,
                $"The result of '{program}' in VM {nativeId} was lost: {e.ServerText}", nativeId,
                "The agent may have been started anew. Run it again.", e);
        }
    }

    private GuestCommandResult Read(JsonElement status, string program, TimeSpan duration)
    {
        bool isTruncated = status.Flag("out-truncated") == true || status.Flag("err-truncated") == true;
        string output = Decode(status.Text("out-data"), program, ref isTruncated),
            error = Decode(status.Text("err-data"), program, ref isTruncated);
        return new GuestCommandResult(Small(status.Number("exitcode")), Small(status.Number("signal")), output, error,
            isTruncated, duration);
    }

    private string Decode(string? base64, string program, ref bool isTruncated)
    {
        if (base64 is null) return "";
        try
        {
            byte[] bytes = Convert.FromBase64String(base64);
            if (bytes.Length > MostOutput) isTruncated = true;
            return Encoding.UTF8.GetString(bytes, 0, Math.Min(bytes.Length, MostOutput));
        }
        catch (FormatException e)
        {
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The guest agent of VM {nativeId} gave the output of '{program}' in a form that it does not have.",
                nativeId, null, e);
        }
    }

    private static int? Small(long? number) => number is >= int.MinValue and <= int.MaxValue ? (int)number : null;
}
