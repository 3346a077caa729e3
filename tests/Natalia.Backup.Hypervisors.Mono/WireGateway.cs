using System.Net.Sockets;
using System.Text.Json.Nodes;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.HyperVSimulator;

namespace Natalia.Backup.Hypervisors.Mono;

/// <summary>The seam of CIM over a connection to the tests' simulated host.</summary>
internal sealed class WireGateway : ICimGateway
{
    private readonly TcpClient _client;
    private readonly StreamReader _reader;
    private readonly StreamWriter _writer;
    private readonly SemaphoreSlim _gate = new(1);

    internal WireGateway(int port)
    {
        _client = new TcpClient("127.0.0.1", port);
        _reader = new StreamReader(_client.GetStream());
        _writer = new StreamWriter(_client.GetStream()) { AutoFlush = true };
    }

    public async Task<CimRow?> GetAsync(CimPath path, CancellationToken cancellationToken) =>
        (CimRow?)await CallAsync(new JsonObject { ["call"] = "get", ["path"] = WireText.Write(path) },
            cancellationToken).ConfigureAwait(false);

    public async Task<IReadOnlyList<CimRow>> QueryAsync(string @namespace, string wql,
        CancellationToken cancellationToken) =>
        (CimRow[])(await CallAsync(new JsonObject { ["call"] = "query", ["namespace"] = @namespace, ["wql"] = wql },
            cancellationToken).ConfigureAwait(false))!;

    public async Task<IReadOnlyList<CimRow>> AssociatorsAsync(CimPath from, string? association, string? resultClass,
        CancellationToken cancellationToken) =>
        (CimRow[])(await CallAsync(new JsonObject
        {
            ["call"] = "associators",
            ["path"] = WireText.Write(from),
            ["association"] = association,
            ["class"] = resultClass,
        }, cancellationToken).ConfigureAwait(false))!;

    public async Task<CimAnswer> InvokeAsync(CimPath target, string method, CimArguments arguments,
        CancellationToken cancellationToken)
    {
        var answer = (CimRow)(await CallAsync(new JsonObject
        {
            ["call"] = "invoke",
            ["path"] = WireText.Write(target),
            ["method"] = method,
            ["arguments"] = new JsonArray([.. arguments.Select(a => (JsonNode)new JsonObject
            {
                ["name"] = a.Name,
                ["kind"] = (int)a.Kind,
                ["value"] = WireText.Write(a.Value),
            })]),
        }, cancellationToken).ConfigureAwait(false))!;
        return new CimAnswer((long)answer["code"]!, (CimRow)answer["outputs"]!);
    }

    /// <summary>Has the other end do something that is no call of Hyper-V's.</summary>
    internal Task SayAsync(string word) => CallAsync(new JsonObject { ["call"] = "word", ["word"] = word }, default);

    public void Dispose() => _client.Dispose();

    private async Task<object?> CallAsync(JsonObject call, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _writer.WriteLineAsync(call.ToJsonString()).ConfigureAwait(false);
            JsonNode answer = JsonNode.Parse(await _reader.ReadLineAsync().ConfigureAwait(false)
                ?? throw new EndOfStreamException())!;
            return answer["fault"] is JsonNode fault
                ? throw new CimFaultException((CimFault)(int)fault, (string)answer["message"]!)
                : WireText.Read(answer["value"]);
        }
        finally
        {
            _gate.Release();
        }
    }
}
