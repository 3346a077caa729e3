using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// One who is asked in JSON, a line for each question and each answer: QEMU's monitor (QMP), and the agent inside a
/// guest. One question at a time.
/// </summary>
internal sealed class JsonPeer : IDisposable
{
    /// <summary>What a guest sends is as long as it likes.</summary>
    private const int LongestLine = 64 << 20;

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly MemoryStream _line = new();
    private readonly byte[] _buffer = new byte[64 << 10];
    private int _at, _end;

    /// <exception cref="SocketException">Nobody listens there.</exception>
    internal JsonPeer(string path) => _socket.Connect(new UnixDomainSocketEndPoint(path));

    /// <summary>Begins to talk to a monitor.</summary>
    internal static JsonPeer Monitor(string path, TimeSpan limit)
    {
        var monitor = new JsonPeer(path);
        long until = Until(limit);
        while (monitor.Read(until)?["QMP"] is null) { }
        monitor.Ask("qmp_capabilities", null, limit);
        return monitor;
    }

    /// <summary>
    /// Begins to talk to an agent. It takes what was sent before it was there, and the one who sent it may be gone:
    /// a number of one's own tells which answer is the first that counts.
    /// </summary>
    /// <exception cref="TimeoutException">It does not answer.</exception>
    internal static JsonPeer Agent(string path, TimeSpan limit)
    {
        var agent = new JsonPeer(path);
        try
        {
            int number = Random.Shared.Next(1, int.MaxValue);
            // A byte that no text has lets the agent forget half a question.
            agent._socket.Send([0xFF]);
            agent.Send("guest-sync", new JsonObject { ["id"] = number });
            long until = Until(limit);
            while (agent.Read(until)?["return"] is not JsonValue value || !value.TryGetValue(out int said)
                || said != number)
            {
            }
            return agent;
        }
        catch
        {
            agent.Dispose();
            throw;
        }
    }

    /// <summary>What is answered to a question.</summary>
    /// <exception cref="RefusedException">It is refused.</exception>
    /// <exception cref="TimeoutException">There is no answer in time.</exception>
    /// <exception cref="IOException">The other end is gone.</exception>
    internal JsonNode? Ask(string what, JsonObject? arguments, TimeSpan limit)
    {
        Send(what, arguments);
        long until = Until(limit);
        while (true)
        {
            JsonObject? answer = Read(until);
            if (answer?["error"] is JsonNode error) throw new RefusedException((string?)error["desc"] ?? "no reason");
            // Between them come events, which nobody asked for.
            if (answer?.ContainsKey("return") == true) return answer["return"]?.DeepClone();
        }
    }

    /// <summary>Says something that has no answer.</summary>
    /// <exception cref="SocketException">The other end is gone.</exception>
    internal void Send(string what, JsonObject? arguments = null)
    {
        var question = new JsonObject { ["execute"] = what };
        if (arguments is not null) question["arguments"] = arguments.DeepClone();
        byte[] bytes = Encoding.UTF8.GetBytes(question.ToJsonString() + "\n");
        for (int sent = 0; sent < bytes.Length;) sent += _socket.Send(bytes.AsSpan(sent));
    }

    private JsonObject? Read(long until)
    {
        _line.SetLength(0);
        while (true)
        {
            if (_at == _end) Fill(until);
            byte next = _buffer[_at++];
            if (next == '\n') break;
            if (next == 0xFF) continue;
            if (_line.Length == LongestLine) throw new IOException("A line has no end.");
            _line.WriteByte(next);
        }
        return _line.Length == 0 ? null : JsonNode.Parse(_line.ToArray()) as JsonObject;
    }

    private void Fill(long until)
    {
        long left = until - Environment.TickCount64;
        if (left <= 0 || !_socket.Poll(TimeSpan.FromMilliseconds(left), SelectMode.SelectRead))
            throw new TimeoutException("There was no answer in time.");
        (_at, _end) = (0, _socket.Receive(_buffer));
        if (_end == 0) throw new IOException("The other end has closed the connection.");
    }

    private static long Until(TimeSpan limit) => Environment.TickCount64 + (long)limit.TotalMilliseconds;

    public void Dispose()
    {
        _socket.Dispose();
        _line.Dispose();
    }
}

/// <summary>The peer understood, and says no.</summary>
internal sealed class RefusedException(string reason) : Exception(reason);
