using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Natalia.Backup.Hypervisors.Ssh;

/// <summary>A guest that is logged in to. Commands run one beside the other in one connection.</summary>
internal sealed class SshGuest(SshClient client, string nativeId, TimeProvider clock) : IGuest
{
    private const int MostInput = 64 << 10;

    /// <summary>What is kept of each output, in bytes: a check that says more says too much.</summary>
    internal const int MostOutput = 1 << 20;

    /// <summary>Signals by their names in RFC 4254, 6.10, with the numbers that Linux has for them.</summary>
    private static readonly Dictionary<string, int> s_signals = new(StringComparer.Ordinal)
    {
        ["HUP"] = 1,
        ["INT"] = 2,
        ["QUIT"] = 3,
        ["ILL"] = 4,
        ["ABRT"] = 6,
        ["FPE"] = 8,
        ["KILL"] = 9,
        ["USR1"] = 10,
        ["SEGV"] = 11,
        ["USR2"] = 12,
        ["PIPE"] = 13,
        ["ALRM"] = 14,
        ["TERM"] = 15,
    };

    public async Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken)
    {
        if (command.Arguments.Count == 0) throw new ArgumentException("A program is needed.", nameof(command));
        byte[] input = Encoding.UTF8.GetBytes(command.Input ?? "");
        if (input.Length > MostInput)
            throw new ArgumentException("The input of a guest command is 64 KiB at most.", nameof(command));
        string program = command.Arguments[0];
        long start = clock.GetTimestamp();
        using Deadline limit = clock.CreateDeadline(command.Timeout, cancellationToken);
        SshCommand? run = null;
        try
        {
            run = client.CreateCommand(Quote(command.Arguments), Encoding.UTF8);
            Task end = run.ExecuteAsync(limit.Token);
            // Read while it runs, so that nothing is kept that is not wanted, whatever the guest says.
            Task<(string Text, bool IsCut)> output = Read(run.OutputStream), error = Read(run.ExtendedOutputStream);
            await Task.Run(() => Write(run, input), limit.Token).ConfigureAwait(false);
            await end.ConfigureAwait(false);
            (string text, bool isCut) = await output.ConfigureAwait(false);
            (string errorText, bool isErrorCut) = await error.ConfigureAwait(false);
            return new GuestCommandResult(run.ExitStatus, Signal(run.ExitSignal), text, errorText, isCut || isErrorCut,
                clock.GetElapsedTime(start));
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new NataliaException(ErrorIds.GuestCommandTimeout, NataliaErrorKind.Timeout,
                $"'{program}' in VM {nativeId} has not ended after {command.Timeout.TotalSeconds:0} seconds. Its end "
                + "was asked for; it may run on.",
                nativeId, "A child that keeps the output open counts as running, too.", e);
        }
        catch (Exception e)
            when (e is SshException or IOException or System.Net.Sockets.SocketException or ObjectDisposedException
                or InvalidOperationException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw client.IsConnected && e is not (SshConnectionException or System.Net.Sockets.SocketException)
                ? new NataliaException(ErrorIds.GuestCommandFailed, NataliaErrorKind.InvalidOperation,
                    $"'{program}' could not be run in VM {nativeId}: {DisplayText.CleanLine(e.Message)}", nativeId,
                    "See whether the user may run commands over SSH.", e)
                : new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Connection,
                    $"The connection to the SSH server of VM {nativeId} broke while '{program}' ran: "
                    + DisplayText.CleanLine(e.Message), nativeId, "The guest may have stopped. Run it again.", e);
        }
        finally
        {
            run?.Dispose();
        }
    }

    public async ValueTask DisposeAsync() => await Task.Run(client.Dispose).ConfigureAwait(false);

    /// <summary>
    /// SSH has one text, which the user's shell takes apart again. In single quotes a shell of POSIX changes nothing.
    /// </summary>
    internal static string Quote(IReadOnlyList<string> arguments) =>
        string.Join(" ", arguments.Select(a => "'" + a.Replace("'", "'\\''") + "'"));

    private static int? Signal(string? name) =>
        name is not null && s_signals.TryGetValue(name, out int number) ? number : null;

    /// <summary>The input's end is told always: a program that reads would wait for ever.</summary>
    private static void Write(SshCommand run, byte[] input)
    {
        try
        {
            using Stream stream = run.CreateInputStream();
            stream.Write(input, 0, input.Length);
        }
        catch (Exception e) when (e is InvalidOperationException or SshException or IOException)
        {
            // The program has ended without reading it, or the connection broke, which its end tells.
        }
    }

    private static Task<(string Text, bool IsCut)> Read(Stream from) => Task.Factory.StartNew(() =>
    {
        using var kept = new MemoryStream();
        byte[] buffer = new byte[16 << 10];
        bool isCut = false;
        while (from.Read(buffer, 0, buffer.Length) is > 0 and int read)
        {
            int taken = Math.Min(read, MostOutput - (int)kept.Length);
            kept.Write(buffer, 0, taken);
            isCut |= taken < read;
        }
        return (Encoding.UTF8.GetString(kept.GetBuffer(), 0, (int)kept.Length), isCut);
    }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
