using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>
/// A connection to the agent in a guest (qga/qapi-schema.json of QEMU), over the socket of its channel. The guest is
/// not trusted: whatever it says is bounded. One command at a time, by one caller.
/// </summary>
internal sealed class AgentClient : IDisposable
{
    /// <summary>
    /// An agent gives at most 16 MiB of each output, which is a third more in its letters; nobody reads that much of a
    /// check.
    /// </summary>
    private const int LongestLine = 12 * 1024 * 1024;

    /// <summary>What is left in the channel of earlier clients: no more than this is thrown away.</summary>
    private const int MostStaleLines = 100;

    private readonly Stream _stream;
    private readonly LineReader _lines;
    private readonly string _peer;

    private AgentClient(Stream stream, string path)
    {
        _stream = stream;
        _peer = $"The guest agent behind '{path}'";
        _lines = new LineReader(stream, LongestLine, _peer);
    }

    /// <summary>Connects, and finds out whether the agent answers.</summary>
    /// <param name="path">The channel's socket.</param>
    /// <param name="patience">How long the agent may take to answer.</param>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>, <c>ServerAnswerInvalid</c>.</exception>
    internal static async Task<AgentClient> ConnectAsync(string path, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        AgentClient? client = null;
        try
        {
            client = new AgentClient(await UnixSocket.ConnectAsync(path, limit.Token).ConfigureAwait(false), path);
            await client.SynchronizeAsync(limit.Token).ConfigureAwait(false);
            return client;
        }
        catch (IOException e)
        {
            client?.Dispose();
            throw Unreachable(path, e.Message, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            client?.Dispose();
            throw Unreachable(path, $"it did not answer within {patience.TotalSeconds:0} seconds", e);
        }
        catch
        {
            client?.Dispose();
            throw;
        }
    }

    /// <summary>Carries a command out.</summary>
    /// <param name="command">Its name.</param>
    /// <param name="arguments">Its arguments, or null.</param>
    /// <param name="patience">How long it may take.</param>
    /// <exception cref="QmpException">The agent refused.</exception>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>, <c>ServerAnswerInvalid</c>.</exception>
    internal async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        try
        {
            await SendAsync(JsonAnswers.Command(command, arguments, null), limit.Token).ConfigureAwait(false);
            JsonElement answer = await ReadAsync(limit.Token).ConfigureAwait(false);
            if (answer.Error(_peer, command) is QmpException refused) throw refused;
            return answer.Member("return") ?? throw JsonAnswers.Invalid(_peer, $"'{command}' with nothing");
        }
        catch (IOException e)
        {
            throw Unreachable(_peer, e.Message, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw Unreachable(_peer, $"it did not answer '{command}' within {patience.TotalSeconds:0} seconds", e);
        }
    }

    /// <summary>Ends the connection.</summary>
    public void Dispose() => _stream.Dispose();

    /// <summary>
    /// The channel keeps what was said to and by earlier clients. A byte that is in no JSON makes the agent forget half
    /// a command, and its answer to a number of ours is the first one that is meant for us.
    /// </summary>
    private async Task SynchronizeAsync(CancellationToken cancellationToken)
    {
        long id = BitConverter.ToUInt32(Guid.NewGuid().ToByteArray(), 0);
        byte[] command = JsonAnswers.Command("guest-sync-delimited", new JsonObject { ["id"] = id }, null);
        await SendAsync([0xFF, .. command], cancellationToken).ConfigureAwait(false);
        for (int stale = 0; stale < MostStaleLines; stale++)
        {
            byte[] line = await _lines.ReadAsync(cancellationToken).ConfigureAwait(false) ?? throw Closed();
            int from = Array.LastIndexOf(line, (byte)0xFF) + 1;
            if (from == 0) continue;
            if (JsonAnswers.Parse([.. line.Skip(from)], _peer).Number("return") == id) return;
        }
        throw JsonAnswers.Invalid(_peer, "everything but what it was asked for");
    }

    private async Task<JsonElement> ReadAsync(CancellationToken cancellationToken) => JsonAnswers.Parse(
        await _lines.ReadAsync(cancellationToken).ConfigureAwait(false) ?? throw Closed(), _peer);

    private async Task SendAsync(byte[] bytes, CancellationToken cancellationToken) =>
        await _stream.WriteAsync(bytes, 0, bytes.Length, cancellationToken).ConfigureAwait(false);

    private EndOfStreamException Closed() => new($"{_peer} closed the connection.");

    private static NataliaException Unreachable(string path, string why, Exception inner) =>
        new(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
        $"The guest agent behind '{path}' cannot be spoken to: {why.TrimEnd('.')}.", path,
        "See whether the guest has booted, and whether qemu-guest-agent runs in it.", inner);
}
