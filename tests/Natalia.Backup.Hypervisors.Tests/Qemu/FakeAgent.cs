using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// An agent behind a socket, as far as freezing and commands go: while file systems are held it takes nothing but what
/// lets them go, as the real one does.
/// </summary>
internal sealed class FakeAgent : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Task _serving;

    internal FakeAgent(string path)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _serving = Task.Run(ServeAsync);
    }

    /// <summary>How many file systems are held.</summary>
    internal int Held { get; set; }

    /// <summary>What it answers to the next commands to let go, as errors, instead of doing so.</summary>
    internal Queue<string> ThawErrors { get; } = new();

    /// <summary>What it was told, but for the greetings.</summary>
    internal List<string> Told { get; } = [];

    public void Dispose()
    {
        _listener.Dispose();
        _serving.GetAwaiter().GetResult();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using Socket client = await _listener.AcceptAsync();
                await TalkAsync(client);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task TalkAsync(Socket client)
    {
        using var stream = new NetworkStream(client);
        using var lines = new StreamReader(stream, Encoding.Latin1);
        try
        {
            while (await lines.ReadLineAsync() is string line)
            {
                using var command = JsonDocument.Parse(line.TrimStart('\u00FF'));
                await stream.WriteAsync(Answer(command.RootElement));
            }
        }
        catch (IOException)
        {
            // It went without a word.
        }
    }

    private byte[] Answer(JsonElement command)
    {
        string name = command.GetProperty("execute").GetString()!;
        if (name == "guest-sync-delimited")
            return [0xFF, .. Line($"{{\"return\": {command.GetProperty("arguments").GetProperty("id")}}}")];
        Told.Add(name);
        switch (name)
        {
            case "guest-fsfreeze-thaw" when ThawErrors.TryDequeue(out string? error):
                // Whatever had been held is held no longer.
                Held = 0;
                return Refuse("GenericError", error);
            case "guest-fsfreeze-thaw":
                int count = Held;
                Held = 0;
                return Return(count.ToString(System.Globalization.CultureInfo.InvariantCulture));
            case var _ when Held > 0:
                return Refuse("CommandNotFound", $"Command {name} has been disabled: the agent is in frozen state");
            case "guest-fsfreeze-freeze":
                Held = 2;
                return Return("2");
            case "guest-exec":
                return Return("{\"pid\": 1}");
            case "guest-exec-status":
                return Return("{\"exited\": false}");
            default:
                return Refuse("CommandNotFound", $"The command {name} has not been found");
        }
    }

    private static byte[] Return(string value) => Line($"{{\"return\": {value}}}");

    private static byte[] Refuse(string errorClass, string text) =>
        Line($"{{\"error\": {{\"class\": \"{errorClass}\", \"desc\": \"{text}\"}}}}");

    private static byte[] Line(string text) => Encoding.UTF8.GetBytes(text + "\n");
}
