using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>
/// A connection to QEMU's monitor (QMP, docs/interop/qmp-spec of QEMU). A monitor speaks with one client at a time, so
/// a connection is kept no longer than it is needed. One command at a time; others wait for their turn.
/// </summary>
internal sealed class QmpClient : IDisposable
{
    /// <summary>The longest answer of a VM with hundreds of disks is far below.</summary>
    private const int LongestLine = 8 * 1024 * 1024;

    /// <summary>What was meant for earlier clients: no more than this is thrown away.</summary>
    private const int MostStaleLines = 1000;

    /// <summary>How long one command may take; those that take longer are jobs.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly Stream _stream;
    private readonly LineReader _lines;
    private readonly string _peer;
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>No client begins where another one did, so that the late answer to an earlier client is not taken for
    /// one to this.</summary>
    private long _lastId = (long)BitConverter.ToUInt32(Guid.NewGuid().ToByteArray(), 0) << 16;

    private QmpClient(Stream stream, string path)
    {
        _stream = stream;
        _peer = $"The monitor '{path}'";
        _lines = new LineReader(stream, LongestLine, _peer);
    }

    /// <summary>Connects and agrees on capabilities.</summary>
    /// <param name="path">The monitor's socket.</param>
    /// <param name="patience">How long to wait for a turn, while another client speaks with the monitor.</param>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerAnswerInvalid</c>.</exception>
    internal static async Task<QmpClient> ConnectAsync(string path, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        try
        {
            Stream stream = await UnixSocket.ConnectAsync(path, limit.Token).ConfigureAwait(false);
            return await StartAsync(stream, path, limit.Token).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw Unreachable(path, e.Message, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw Unreachable(path,
                $"it did not answer within {patience.TotalSeconds:0} seconds; another program may be connected to it",
                e);
        }
    }

    /// <summary>Begins on a stream, which belongs to the client from then on.</summary>
    internal static async Task<QmpClient> StartAsync(Stream stream, string path, CancellationToken cancellationToken)
    {
        var client = new QmpClient(stream, path);
        // A stalled read of a socket ends with the socket.
        using CancellationTokenRegistration stop = cancellationToken.Register(client.Dispose);
        try
        {
            await client.AwaitGreetingAsync(cancellationToken).ConfigureAwait(false);
            await client.ExecuteAsync("qmp_capabilities", null, cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch (Exception e) when (e is ObjectDisposedException or IOException)
        {
            client.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw Unreachable(path, e.Message, e);
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Reads as far as QEMU's greeting. Until QEMU has noticed that there is another client, it goes on with what was
    /// meant for the one before: events and the rest of an answer (monitor/qmp.c: the state of the one before is reset
    /// together with the greeting). Seen with QEMU 7.2 while a job came to its end.
    /// </summary>
    private async Task AwaitGreetingAsync(CancellationToken cancellationToken)
    {
        for (int stale = 0; stale < MostStaleLines; stale++)
        {
            byte[] line = await _lines.ReadAsync(cancellationToken).ConfigureAwait(false) ?? throw Closed();
            if (JsonAnswers.TryParse(line)?.Member("QMP") is not null) return;
        }
        throw JsonAnswers.Invalid(_peer, "with no greeting of QEMU");
    }

    /// <summary>Carries a command out.</summary>
    /// <param name="command">Its name.</param>
    /// <param name="arguments">Its arguments, or null.</param>
    /// <returns>What it returns.</returns>
    /// <exception cref="QmpException">QEMU refused.</exception>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerAnswerInvalid</c>.</exception>
    internal async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments,
        CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_limit);
        try
        {
            await _turn.WaitAsync(limit.Token).ConfigureAwait(false);
            try
            {
                long id = ++_lastId;
                byte[] line = JsonAnswers.Command(command, arguments, id);
                await _stream.WriteAsync(line, 0, line.Length, limit.Token).ConfigureAwait(false);
                while (true)
                {
                    JsonElement answer = JsonAnswers.Parse(
                        await _lines.ReadAsync(limit.Token).ConfigureAwait(false) ?? throw Closed(), _peer);
                    // An event, or the answer of a command that was given up before.
                    if (answer.Number("id") != id) continue;
                    if (answer.Error(_peer, command) is QmpException refused) throw refused;
                    return answer.Member("return") ?? throw JsonAnswers.Invalid(_peer, $"'{command}' with nothing");
                }
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw Unreachable(_peer, e.Message, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Timeout,
                $"{_peer} did not answer '{command}' within {s_limit.TotalSeconds:0} seconds.", _peer, null, e);
        }
    }

    /// <summary>A command of QEMU's other monitor, that for people, which tells some things that this one does
    /// not.</summary>
    internal async Task<string> ExecuteLineAsync(string line, CancellationToken cancellationToken)
    {
        JsonElement answer = await ExecuteAsync("human-monitor-command", new JsonObject { ["command-line"] = line },
            cancellationToken).ConfigureAwait(false);
        return answer.ValueKind == JsonValueKind.String
            ? answer.GetString()!
            : throw JsonAnswers.Invalid(_peer, $"'{line}' with no text");
    }

    /// <summary>Ends the connection; the VM goes on.</summary>
    public void Dispose() => _stream.Dispose();

    private EndOfStreamException Closed() => new($"{_peer} closed the connection.");

    private static NataliaException Unreachable(string path, string why, Exception inner) =>
        new(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
        $"QEMU's monitor '{path}' cannot be spoken to: {why.TrimEnd('.')}.", path,
        "See whether the VM runs, and whether another program holds its monitor.", inner);
}
