using System.Collections;
using System.Diagnostics;
using System.Management.Automation;
using System.Net.Http.Headers;
using System.Text.Json;
using Natalia.Backup.Module.Tests.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>
/// From the cmdlet to the guest on one path: the Debian appliance as a VM of the simulated Proxmox VE cluster, with
/// real disks and, when it is on, a real VM of QEMU. It is frozen and backed up while it writes, restored by the
/// cluster's own restore, started isolated, asked through its agent, and destroyed. The cluster's interface is
/// simulated, and its archives hold raw images; guest, agent, freeze, disks and isolation are real.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class RestoreTestOnProxmoxTests
{
    [ApplianceFact]
    public async Task What_was_backed_up_while_it_ran_passes_and_what_was_tampered_with_is_found()
    {
        using var folder = new TemporaryFolder();
        TestAppliance appliance = TestAppliance.Make(folder["appliance"]);
        using var host = new RealHost(folder["host"]);
        // The cluster's clock must not run into another business day than the one that the guest counts.
        DateTimeOffset now = DateTimeOffset.UtcNow, evening = new(now.Date.AddHours(20), TimeSpan.Zero);
        var clock = new JumpingClock(speed: 20, now < evening ? now : evening);
        await using ProxmoxFixture scenario = await ProxmoxFixture.StartAsync(clock, c =>
        {
            (c.Host, c.BackupDuration) = (host, TimeSpan.FromSeconds(20));
            c.Guests.Clear();
            c.Guests.Add(SampleCluster.RealAppliance(host, 100, "natalia-nice", "pve1", appliance.Folder));
        });
        scenario.ConnectWithEvidence();
        scenario.Do("Set-NataliaAppliance natalia-nice -Repository pbs -IsolatedNetwork vmbr9 -CdrCountCommand "
            + "'natalia-cli cdr count --day {day} --zone {zone}'");
        using var node = new NodeClient(scenario);
        await node.RunTaskAsync(100, "status/start");
        RealMachine machine = host.Machines.Single();
        int process = machine.ProcessId;
        await node.WaitForAgentAsync(100);

        // The baseline is counted in the guest, which is frozen for as long as the copies are begun, and then goes on.
        PSObject point = scenario.Do("Invoke-NataliaBackup natalia-nice").Output.Single()!;
        Assert.Equal("FileSystem", $"{point.Properties["Consistency"].Value}");
        Assert.Equal(appliance.CdrCount, PSObject.AsPSObject(point.Properties["CdrBaseline"].Value)
            .Properties["Count"].Value);
        string[] frozen = [.. machine.Asked.Where(a => a.StartsWith("guest-fsfreeze", StringComparison.Ordinal))];
        Assert.Equal(2, frozen.Length);
        Assert.Matches("^guest-fsfreeze-freeze: [1-9]$", frozen[0]);
        Assert.Matches("^guest-fsfreeze-thaw: [1-9]$", frozen[1]);
        Assert.Equal("thawed", (await node.AskAsync(HttpMethod.Post, 100, "agent/fsfreeze-status"))
            .GetProperty("result").GetString());
        await node.ExecuteAsync(100, "/bin/grep", "-q", "up", "/sys/class/net/eth0/operstate");
        // Somebody cuts the end of the audit log off in the running appliance, and the next backup takes that.
        await node.ExecuteAsync(100, "/bin/sh", "-c",
            "cd /var/lib/natalia/audit && head -n 4990 audit.log > short && mv short audit.log && sync");
        scenario.Do("$null = Invoke-NataliaBackup natalia-nice");
        await node.RunTaskAsync(100, "status/stop");
        Assert.Equal("stopped", (await node.AskAsync(HttpMethod.Get, 100, "status/current")).GetProperty("status")
            .GetString());

        ScriptResult tested = scenario.Try("""
            $link = { $_.Run('/bin/cat', '/sys/class/net/eth0/operstate').Output.Trim() -eq 'down' }
            Get-NataliaRestorePoint natalia-nice -Repository pbs | Sort-Object TimeUtc |
                Test-NataliaRestore -ThrottleLimit 2 -Check $link
            """);
        List<PSObject> tests = [.. tested.Output.Select(t => t!).OrderBy(t => t.Properties["PointTimeUtc"].Value)];

        Assert.Equal(2, tests.Count);
        Assert.Equal("Restore Isolation Boot Integrity AuditLog CdrCount Check1 Destroyed", Named(tests[0], "Passed"));
        Assert.Equal("Passed", $"{tests[0].Properties["Result"].Value}");
        Assert.Equal("AuditLog", Named(tests[1], "Failed"));
        Assert.Contains("audit log", Detail(tests[1], "AuditLog"), StringComparison.Ordinal);
        Assert.StartsWith("RestoreTestFailed,", Assert.Single(tested.ErrorIds), StringComparison.Ordinal);
        Assert.Equal(2, scenario.Do("Get-NataliaRestoreTest natalia-nice").Output.Count);
        // Nothing is left: no VM, no process, no disk.
        Assert.Equal([100], scenario.Cluster.Guests.Select(g => g.Vmid));
        Assert.Empty(host.Machines);
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(process));
        Assert.All(host.Volumes, v => Assert.StartsWith("tank:vm-100-", v, StringComparison.Ordinal));
    }

    [QemuFact]
    public async Task A_vm_that_qemu_does_not_start_fails_the_boot_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using var host = new RealHost(folder["host"]);
        await using ProxmoxFixture scenario = await ProxmoxFixture.StartAsync(c =>
        {
            SimulatedGuest guest = c.Guest(100);
            (c.Host, guest.Running) = (host, false);
            // More than any machine has.
            guest.Config["memory"] = "99999999";
            AddEmptyDisks(host, guest);
        });
        scenario.ConnectWithEvidence();

        ScriptResult tested = scenario.Try(
            "Invoke-NataliaBackup natalia-01 | Test-NataliaRestore -IsolatedNetwork vmbr9");

        PSObject test = tested.Output.Single()!;
        Assert.Equal("Boot", Named(test, "Failed"));
        Assert.Equal("Restore Isolation Destroyed", Named(test, "Passed"));
        Assert.Contains("QEMU exited with code 1", Detail(test, "Boot"), StringComparison.Ordinal);
        Assert.Equal([100], scenario.Cluster.Guests.Select(g => g.Vmid));
        Assert.Empty(host.Machines);
        Assert.All(host.Volumes, v => Assert.StartsWith("tank:vm-100-", v, StringComparison.Ordinal));
    }

    [QemuFact]
    public async Task A_vm_whose_guest_takes_no_notice_is_ended_by_its_process()
    {
        using var folder = new TemporaryFolder();
        using var host = new RealHost(folder["host"]);
        await using ProxmoxFixture scenario = await ProxmoxFixture.StartAsync(c =>
        {
            SimulatedGuest guest = c.Guest(100);
            (c.Host, guest.Running, guest.Config["memory"]) = (host, false, "64");
            AddEmptyDisks(host, guest);
        });
        using var node = new NodeClient(scenario);
        await node.RunTaskAsync(100, "status/start");
        int process = host.Machines.Single().ProcessId;

        JsonElement status = await node.AskAsync(HttpMethod.Get, 100, "status/current");
        Assert.Equal(("running", process), (status.GetProperty("qmpstatus").GetString(),
            status.GetProperty("pid").GetInt32()));
        Assert.False(await node.AnswersAsync(100));
        Assert.Equal("VM quit/powerdown failed - got timeout",
            await node.TryTaskAsync(100, "status/shutdown", ("timeout", "1")));
        await node.RunTaskAsync(100, "status/shutdown", ("timeout", "1"), ("forceStop", "1"));
        Assert.Equal("stopped", (await node.AskAsync(HttpMethod.Get, 100, "status/current")).GetProperty("status")
            .GetString());
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(process));
    }

    private static void AddEmptyDisks(RealHost host, SimulatedGuest guest)
    {
        foreach (string disk in new[] { "scsi0", "scsi1" })
            File.WriteAllBytes(host.Volume(guest.Config[disk].Split(',')[0]), new byte[1 << 20]);
    }

    private static string Named(PSObject test, string result) => string.Join(' ', Checks(test)
        .Where(c => $"{c.Properties["Result"].Value}" == result).Select(c => c.Properties["Name"].Value));

    private static string Detail(PSObject test, string check) =>
        (string)Checks(test).Single(c => (string)c.Properties["Name"].Value == check).Properties["Detail"].Value;

    private static IEnumerable<PSObject> Checks(PSObject test) =>
        ((IEnumerable)test.Properties["Checks"].Value).Cast<object>().Select(PSObject.AsPSObject);

    /// <summary>What an operator does at the node: requests of the published interface that no cmdlet makes.</summary>
    private sealed class NodeClient(ProxmoxFixture scenario) : IDisposable
    {
        private readonly HttpClient _http = new(new HttpClientHandler
        {
            ServerCertificateCustomValidationCallback = (_, certificate, _, _) =>
                certificate!.Equals(scenario.Server.Certificates["pve1"]),
        })
        { BaseAddress = new Uri($"https://{scenario.Hosts[0]}/api2/json/nodes/pve1/") };

        internal async Task<JsonElement> AskAsync(HttpMethod method, int vmid, string what,
            params (string Name, string Value)[] form)
        {
            (bool good, JsonElement data) = await TryAsync(method, $"qemu/{vmid}/{what}", form);
            Assert.True(good, what);
            return data;
        }

        /// <summary>Runs a task to its good end.</summary>
        internal async Task RunTaskAsync(int vmid, string what, params (string Name, string Value)[] form) =>
            Assert.Equal("OK", await TryTaskAsync(vmid, what, form));

        /// <summary>Runs a task to its end; the result is how it ended.</summary>
        internal async Task<string?> TryTaskAsync(int vmid, string what, params (string Name, string Value)[] form)
        {
            string task = Uri.EscapeDataString((await AskAsync(HttpMethod.Post, vmid, what, form)).GetString()!);
            JsonElement status;
            do
            {
                await Task.Delay(100);
                (_, status) = await TryAsync(HttpMethod.Get, $"tasks/{task}/status");
            }
            while (status.GetProperty("status").GetString() == "running");
            return status.GetProperty("exitstatus").GetString();
        }

        internal async Task<bool> AnswersAsync(int vmid) =>
            (await TryAsync(HttpMethod.Post, $"qemu/{vmid}/agent/ping")).Good;

        internal async Task WaitForAgentAsync(int vmid)
        {
            var since = Stopwatch.StartNew();
            while (!await AnswersAsync(vmid))
                Assert.True(since.Elapsed < TimeSpan.FromMinutes(4), "The guest agent does not answer.");
        }

        internal async Task ExecuteAsync(int vmid, params string[] command)
        {
            JsonElement begun = await AskAsync(HttpMethod.Post, vmid, "agent/exec",
                [.. command.Select(c => ("command", c))]);
            JsonElement status;
            do
            {
                await Task.Delay(100);
                status = await AskAsync(HttpMethod.Get, vmid, $"agent/exec-status?pid={begun.GetProperty("pid")}");
            }
            while (status.GetProperty("exited").GetInt32() == 0);
            Assert.True(status.GetProperty("exitcode").GetInt32() == 0, status.ToString());
        }

        private async Task<(bool Good, JsonElement Data)> TryAsync(HttpMethod method, string path,
            params (string Name, string Value)[] form)
        {
            using var request = new HttpRequestMessage(method, path);
            if (method == HttpMethod.Post)
                request.Content = new StringContent(string.Join('&', form.Select(f =>
                    $"{f.Name}={Uri.EscapeDataString(f.Value)}")),
                    new MediaTypeHeaderValue("application/x-www-form-urlencoded"));
            request.Headers.TryAddWithoutValidation("Authorization",
                "PVEAPIToken=backup@pve!natalia=11111111-2222-3333-4444-555555555555");
            using HttpResponseMessage answer = await _http.SendAsync(request);
            using JsonDocument body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
            return (answer.IsSuccessStatusCode, body.RootElement.GetProperty("data").Clone());
        }

        public void Dispose() => _http.Dispose();
    }
}
