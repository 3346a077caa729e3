using System.Globalization;
using Natalia.Backup.ProxmoxSimulator;

// A simulated cluster of three nodes until the input ends (Ctrl-D) or Ctrl-C. Everything here is a model of ours: it is
// good for a try, and no proof of how Proxmox VE behaves.
int guests = Number("--guests", 1), points = Number("--points", 0), speed = Number("--speed", 60);
var cluster = new SimulatedCluster(new JumpingClock(speed)) { TimeZone = "Europe/Paris" };
SampleCluster.AddStorages(cluster);
DateTimeOffset now = DateTimeOffset.UtcNow;
using var host = new RealHost(Path.Combine(Path.GetTempPath(), $"natalia-pve-{Environment.ProcessId}"));
if (Array.IndexOf(args, "--appliance") is >= 0 and int named && named + 1 < args.Length)
{
    // What tests/servers/appliance/make.sh made there becomes a VM of the cluster, and a real one when it is on.
    cluster.Host = host;
    cluster.Guests.Add(SampleCluster.RealAppliance(host, 900, "natalia-nice", "pve1", args[named + 1]));
    if (cluster.SwitchOn(cluster.Guest(900)) is string failure) Console.Error.WriteLine(failure);
}
for (int i = 0; i < guests; i++)
{
    SimulatedGuest guest = SampleCluster.Appliance(100 + i, i == 0 ? "natalia-01" : $"vm-{100 + i}",
        cluster.Nodes[i % cluster.Nodes.Count]);
    cluster.Guests.Add(guest);
    for (int n = 0; n < points; n++)
    {
        DateTimeOffset time = now.AddHours(-6 * (n + 1));
        cluster.Storage("pbs").Points.Add(new SimulatedPoint
        {
            Volid = $"pbs:backup/vm/{guest.Vmid}/{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}",
            Vmid = guest.Vmid,
            Time = time,
            Size = 232L << 30,
            ConfigText = SimulatedCluster.ConfigTextOf(guest),
            VerifyState = n > 2 ? "ok" : null,
            VerifyUpid = n > 2
                ? $"UPID:pbs:000003E9:00001B5F:00000001:{now.AddDays(-3).ToUnixTimeSeconds():X8}:verify:tank:root@pam:"
                : null,
        });
    }
}
await using SimulatorServer server = await SimulatorServer.StartAsync(cluster.Nodes, OperationTable.VirtualEnvironment,
    cluster.Answer);
cluster.AuthorityFingerprint = server.AuthorityFingerprint;
Console.WriteLine($"$hosts = {List(cluster.Nodes.Select(n => $"127.0.0.1:{server.Ports[n]}"))}");
Console.WriteLine($"$pins = {List(cluster.Nodes.Select(server.Thumbprint))}");
Console.WriteLine("$credential = [pscredential]::new('backup@pve!natalia', (ConvertTo-SecureString "
    + "'11111111-2222-3333-4444-555555555555' -AsPlainText -Force))");
Console.WriteLine(
    "Connect-NataliaHypervisor -Proxmox $hosts -Credential $credential -ServerCertificateThumbprint $pins -Name pve");
Console.Out.Flush();
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
try
{
    while (await Console.In.ReadLineAsync(stop.Token) is not null) { }
}
catch (OperationCanceledException)
{
}
foreach (string violation in server.Violations) Console.Error.WriteLine(violation);
Console.Error.WriteLine($"{server.Requests.Count} requests, {server.Violations.Count} against the published interface");
return server.Violations.IsEmpty ? 0 : 1;

static string List(IEnumerable<string> texts) => string.Join(", ", texts.Select(t => $"'{t}'"));

int Number(string name, int standard)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : standard;
}
