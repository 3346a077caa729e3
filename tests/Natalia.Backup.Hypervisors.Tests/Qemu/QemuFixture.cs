using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// A folder of VMs. Their processes are real ones of QEMU; there is no system on their disks, so an agent that answers
/// is the test's own, which takes the place of the channel's socket.
/// </summary>
internal sealed class QemuFixture : IBuilderFixture, ITestBenchFixture
{
    private readonly TemporaryFolder _root = new();
    private readonly List<Socket> _sockets = [];
    private readonly List<IHypervisor> _connections = [];
    private readonly HashSet<string> _seen = [];

    private readonly bool _skipsTime;

    /// <param name="skipsTime">See <see cref="HastyClock"/>.</param>
    public QemuFixture(bool skipsTime = false)
    {
        _skipsTime = skipsTime;
        new Machine { Folder = Directory.CreateDirectory(_root["original"]).FullName, Id = "original", Name = "original" }
            .Write();
    }

    internal MachineFolders Folders => new(_root.Path);

    internal string Root => _root.Path;

    public RestoreSource Source { get; } = PointImages.Create();

    public string IsolatedNetwork => QemuNetworks.None;

    public string OtherNetwork => QemuNetworks.Restricted;

    public IReadOnlyCollection<string> VMs
    {
        get
        {
            string[] there = [.. Folders.GetAll().Select(m => m.Id!).Order(StringComparer.Ordinal)];
            _seen.UnionWith(there);
            // A VM that is gone has no process either.
            Assert.All(_seen.Except(there), id => Assert.Null(MachineProcess.Find(id)));
            return there;
        }
    }

    public Task<IHypervisor> ConnectAsync(int? lifetime = null)
    {
        IHypervisor connection = QemuHypervisor.Open(_root.Path, new HastyClock(_skipsTime),
            lifetime is int calls ? new MortalCalls(calls) : new HostCalls());
        _connections.Add(connection);
        return Task.FromResult(connection);
    }

    public IReadOnlyList<string> NetworksOf(string nativeId) => [.. Find(nativeId).Networks.Select(n => n.Name)];

    public byte[] Read(string nativeId, string diskId)
    {
        Machine machine = Find(nativeId);
        return File.ReadAllBytes(machine.FullPath(machine.Disks.Single(d => d.Id == diskId).Path));
    }

    public async Task<bool> StartAsync(string nativeId)
    {
        await new MachineStart(new HostCalls()).EnsureProcessAsync(Find(nativeId) with { Networks = [] }, default);
        return true;
    }

    public void Replace(string nativeId) => (Find(nativeId) with { Building = null, Test = null }).Write();

    public bool IsRunning(string nativeId)
    {
        if (MachineProcess.Find(nativeId) is null) return false;
        using QmpClient monitor = QmpClient.ConnectAsync(Find(nativeId).Monitor!, TimeSpan.FromSeconds(10), default)
            .GetAwaiter().GetResult();
        return monitor.IsRunningAsync(default).GetAwaiter().GetResult();
    }

    public void MoveAdapter(string nativeId)
    {
        Machine machine = Find(nativeId);
        (machine with { Networks = [machine.Networks[0], machine.Networks[1] with { Name = "lan" }] }).Write();
    }

    public void TakeMark(string nativeId) => (Find(nativeId) with { Test = null }).Write();

    public void SetGuest(string nativeId, bool answers, string output)
    {
        string path = Find(nativeId).Agent!;
        File.Delete(path);
        if (answers) Answer(path, (_, name) => name switch
        {
            "guest-exec" => """{ "return": { "pid": 7 } }""",
            "guest-exec-status" => $$"""{ "return": { "exited": true, "exitcode": 0, "out-data": "{{Convert.ToBase64String(Encoding.UTF8.GetBytes(output))}}" } }""",
            _ => """{ "error": { "class": "CommandNotFound", "desc": "no" } }""",
        });
    }

    /// <summary>Plays an agent behind a socket.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="answer">What it says to a command, one line; null for nothing.</param>
    internal void Answer(string path, Func<JsonElement, string, string?> answer)
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        _sockets.Add(listener);
        _ = Task.Run(async () =>
        {
            while (true)
            {
                using Socket client = await listener.AcceptAsync();
                try
                {
                    await using var stream = new NetworkStream(client);
                    using var reader = new StreamReader(stream);
                    while (await reader.ReadLineAsync() is string line)
                    {
                        JsonElement command = JsonDocument.Parse(line.TrimStart('\uFFFD')).RootElement;
                        string name = command.GetProperty("execute").GetString()!;
                        string? said = name == "guest-sync-delimited"
                            ? $"{{ \"return\": {command.GetProperty("arguments").GetProperty("id")} }}"
                            : answer(command, name);
                        if (said is null) continue;
                        byte[] bytes = Encoding.UTF8.GetBytes(said + "\n");
                        if (name == "guest-sync-delimited") bytes = [0xFF, .. bytes];
                        await stream.WriteAsync(bytes);
                    }
                }
                catch (IOException)
                {
                    // The client has gone.
                }
            }
        });
    }

    internal Machine Find(string nativeId) => Folders.Find(nativeId)!;

    public ValueTask DisposeAsync()
    {
        foreach (string id in _seen.Union(Folders.GetAll().Select(m => m.Id!)))
        {
            if (MachineProcess.Find(id) is not MachineProcess left) continue;
            using var process = Process.GetProcessById(left.Id);
            process.Kill();
        }
        foreach (Socket socket in _sockets) socket.Dispose();
        foreach (IHypervisor connection in _connections) connection.Dispose();
        _root.Dispose();
        return default;
    }
}
