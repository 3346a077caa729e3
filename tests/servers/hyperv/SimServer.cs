using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>The simulated host for one program of another runtime, on a port of 127.0.0.1: a line asks, a line answers.
/// </summary>
internal sealed class SimServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly SimGateway _gateway;
    private readonly Action<string> _onWord;

    /// <param name="host">The host.</param>
    /// <param name="onWord">Called with each word that the program says beside its calls.</param>
    internal SimServer(SimHost host, Action<string> onWord)
    {
        (_gateway, _onWord) = (new SimGateway(host), onWord);
        _listener.Start();
        _ = Task.Run(ServeAsync);
    }

    internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Dispose() => _listener.Dispose();

    private async Task ServeAsync()
    {
        using TcpClient client = await _listener.AcceptTcpClientAsync();
        using var reader = new StreamReader(client.GetStream());
        await using var writer = new StreamWriter(client.GetStream()) { AutoFlush = true };
        while (await reader.ReadLineAsync() is string line)
        {
            var answer = new JsonObject();
            try
            {
                answer["value"] = WireText.Write(await AnswerAsync(JsonNode.Parse(line)!));
            }
            catch (CimFaultException e)
            {
                (answer["fault"], answer["message"]) = ((int)e.Fault, e.Message);
            }
            catch (Exception e)
            {
                (answer["fault"], answer["message"]) = ((int)CimFault.Provider, e.ToString());
            }
            await writer.WriteLineAsync(answer.ToJsonString());
        }
    }

    private async Task<object?> AnswerAsync(JsonNode call)
    {
        var path = (CimPath?)WireText.Read(call["path"]);
        switch ((string)call["call"]!)
        {
            case "get":
                return await _gateway.GetAsync(path!, default);
            case "query":
                return (await _gateway.QueryAsync((string)call["namespace"]!, (string)call["wql"]!, default)).ToArray();
            case "associators":
                return (await _gateway.AssociatorsAsync(path!, (string?)call["association"], (string?)call["class"],
                    default)).ToArray();
            case "invoke":
                CimAnswer answer = await _gateway.InvokeAsync(path!, (string)call["method"]!,
                    Arguments(call["arguments"]!.AsArray()), default);
                return new CimRow("answer", null, new Dictionary<string, object?>
                {
                    ["code"] = answer.ReturnValue,
                    ["outputs"] = answer.Outputs,
                });
            default:
                _onWord((string)call["word"]!);
                return null;
        }
    }

    private static CimArguments Arguments(JsonArray given)
    {
        CimArguments arguments = [];
        foreach (JsonNode? one in given)
        {
            string name = (string)one!["name"]!;
            var kind = (CimKind)(int)one["kind"]!;
            switch (WireText.Read(one["value"]))
            {
                case null when kind == CimKind.Reference: arguments.AddNoReference(name); break;
                case null when kind == CimKind.DateTime: arguments.Add(name, (DateTime?)null); break;
                case null: arguments.Add(name, (string?)null); break;
                case string text: arguments.Add(name, text); break;
                case string[] texts: arguments.Add(name, texts); break;
                case bool flag: arguments.Add(name, flag); break;
                case byte number: arguments.Add(name, number); break;
                case ushort number: arguments.Add(name, number); break;
                case uint number: arguments.Add(name, number); break;
                case ulong number: arguments.Add(name, number); break;
                case CimPath reference: arguments.Add(name, reference); break;
                case CimPath[] references: arguments.Add(name, references); break;
                case object other: throw new NotSupportedException($"{name} is a {other.GetType()}.");
            }
        }
        return arguments;
    }
}
