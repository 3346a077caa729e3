using System.Diagnostics;
using System.Globalization;
using System.Security;
using System.Text;
using System.Text.Json;

namespace Natalia.Backup.Testing;

/// <summary>
/// A process of <c>tests/servers/vsphere</c>: govmomi's simulator, with a handler of ours before it. It listens on
/// 127.0.0.1 and ends with whoever started it. What the handler adds (snapshots' disks, change tracking, exports,
/// faults) is our model of documented behaviour, and says nothing of a real host.
/// </summary>
public sealed class SimulatedVSphere : IDisposable
{
    private static readonly Lazy<string> s_program = new(Build);
    private static readonly HttpClient s_client = new(new HttpClientHandler
    {
        // The harness of this very process' child; what is tested checks certificates by itself.
        ServerCertificateCustomValidationCallback = (_, _, _, _) => true,
        UseProxy = false,
    });

    private readonly Process _process;

    private SimulatedVSphere(Process process, JsonElement said)
    {
        _process = process;
        Address = new Uri(said.GetProperty("url").GetString()!);
        User = said.GetProperty("user").GetString()!;
        Thumbprint = said.GetProperty("thumbprint").GetString()!;
        Certificate = Encoding.ASCII.GetBytes(said.GetProperty("certificate").GetString()!);
        Authority = Encoding.ASCII.GetBytes(said.GetProperty("authority").GetString()!);
        Machines = [.. said.GetProperty("machines").EnumerateArray().Select(m => new Machine(
            m.GetProperty("name").GetString()!, m.GetProperty("id").GetString()!, m.GetProperty("uuid").GetString()!,
            [.. m.GetProperty("disks").EnumerateArray().Select(d => new Disk(d.GetProperty("key").GetInt32(),
                d.GetProperty("name").GetString()!, d.GetProperty("file").GetString()!,
                d.GetProperty("size").GetInt64()))]))];
    }

    /// <summary>
    /// A disk: its device's key, its name in the datastore, and the file of this machine with its bytes.
    /// </summary>
    public sealed record Disk(int Key, string Name, string File, long Size);

    public sealed record Machine(string Name, string Id, string Uuid, IReadOnlyList<Disk> Disks);

    public Uri Address { get; }

    public string Host => Address.Host;

    public int Port => Address.Port;

    public string User { get; }

    public const string Password = "s3cret-of-the-test";

    public string Thumbprint { get; }

    /// <summary>Its certificate, PEM.</summary>
    public byte[] Certificate { get; }

    /// <summary>With -own-certificate, the certificate of the authority that issued it, PEM.</summary>
    public byte[] Authority { get; }

    public IReadOnlyList<Machine> Machines { get; }

    /// <summary>The VM <c>natalia-nice</c>.</summary>
    public Machine Appliance => Machines.Single(m => m.Name == "natalia-nice");

    public static SecureString Secret
    {
        get
        {
            var secret = new SecureString();
            foreach (char c in Password) secret.AppendChar(c);
            return secret;
        }
    }

    /// <summary>Starts one.</summary>
    /// <param name="arguments">As main.go takes them: <c>-esx</c>, <c>-disk-mib 8</c>, …</param>
    public static SimulatedVSphere Start(params string[] arguments)
    {
        Counterpart.VSphere.MustBeThere();
        var start = new ProcessStartInfo(s_program.Value, [.. arguments, "-pass", Password])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        Process process = Process.Start(start)!;
        string line = process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException("The simulated server did not start.");
        return new SimulatedVSphere(process, JsonDocument.Parse(line).RootElement);
    }

    /// <summary>Does something behind the server's back; <c>harness.go</c> lists what.</summary>
    public void Do(string verb, params (string Name, object Value)[] arguments) => Do(verb, [], arguments);

    /// <summary>A guest writes.</summary>
    public void Write(Machine machine, int disk, long offset, byte[] bytes) =>
        Do("write", bytes, ("vm", machine.Id), ("disk", disk), ("offset", offset));

    /// <summary>Lets a call go wrong: <c>when</c> is before, after or task.</summary>
    public void Fail(string what, string when, string action, params (string Name, object Value)[] more) =>
        Do("fault", [("what", what), ("when", when), ("action", action), .. more]);

    /// <summary>What a guest reads now.</summary>
    public byte[] Content(Machine machine, int disk) => Do("content", [], ("vm", machine.Id), ("disk", disk));

    /// <summary>The names of a VM's snapshots.</summary>
    public IReadOnlyList<string> Snapshots(Machine machine) =>
        [.. State().GetProperty("snapshots").GetProperty(machine.Id).EnumerateArray().Select(n => n.GetString()!)];

    /// <summary>The methods that were called, and the paths.</summary>
    public IReadOnlyList<string> Calls() => State().GetProperty("calls") is { ValueKind: JsonValueKind.Array } calls
        ? [.. calls.EnumerateArray().Select(c => c.GetString()!)]
        : [];

    /// <summary>The version of the interface that the last call was made by: <c>urn:vim25/8.0.3.0</c>.</summary>
    public string Spoken => State().GetProperty("spoken").GetString()!;

    /// <summary>How many requests for bytes there were at once, at most.</summary>
    public int MostReads => State().GetProperty("most").GetInt32();

    /// <summary>How many requests for bytes were under way when a snapshot was asked to go, at most.</summary>
    public int ReadsAtRemoval => State().GetProperty("atEnd").GetInt32();

    /// <summary>What <c>builds.go</c> tells: the VMs as they are.</summary>
    public IReadOnlyList<JsonElement> Bench()
    {
        using HttpResponseMessage response = s_client.Send(new HttpRequestMessage(HttpMethod.Get,
            new Uri(Address, "/bench/machines")));
        using Stream body = response.Content.ReadAsStream();
        return [.. JsonDocument.Parse(body).RootElement.Clone().EnumerateArray()];
    }

    /// <summary>Does something to a VM by its UUID; <c>builds.go</c> lists what.</summary>
    public void Bench(string verb, string uuid, params (string Name, object Value)[] arguments)
    {
        string query = string.Join("&", arguments.Prepend(("uuid", uuid)).Select(a =>
            $"{a.Name}={Uri.EscapeDataString(Convert.ToString(a.Value, CultureInfo.InvariantCulture)!)}"));
        using HttpResponseMessage response = s_client.Send(new HttpRequestMessage(HttpMethod.Post,
            new Uri(Address, $"/bench/{verb}?{query}")));
        if (!response.IsSuccessStatusCode)
            throw new InvalidOperationException($"{verb}: {(int)response.StatusCode}");
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(10_000)) _process.Kill();
        _process.Dispose();
    }

    /// <summary>As the other one, with a body; gives the answer's.</summary>
    public byte[] Do(string verb, byte[] body, params (string Name, object Value)[] arguments)
    {
        string query = string.Join("&", arguments.Select(a =>
            $"{a.Name}={Uri.EscapeDataString(Convert.ToString(a.Value, CultureInfo.InvariantCulture)!)}"));
        using HttpResponseMessage response = s_client.Send(new HttpRequestMessage(HttpMethod.Post,
            new Uri(Address, $"/harness/{verb}?{query}"))
        { Content = new ByteArrayContent(body) });
        if (!response.IsSuccessStatusCode)
            throw new InvalidOperationException($"{verb}: {(int)response.StatusCode}");
        using Stream stream = response.Content.ReadAsStream();
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    private JsonElement State()
    {
        using HttpResponseMessage response = s_client.Send(new HttpRequestMessage(HttpMethod.Get,
            new Uri(Address, "/harness/state")));
        using Stream body = response.Content.ReadAsStream();
        return JsonDocument.Parse(body).RootElement.Clone();
    }

    private static string Build()
    {
        var start = new ProcessStartInfo("bash",
            [Path.Combine(BuildLayout.RepositoryRoot, "tests", "servers", "vsphere", "build.sh")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output.Trim()
            : throw new InvalidOperationException($"The simulated server could not be built: {errors.Result}");
    }
}
