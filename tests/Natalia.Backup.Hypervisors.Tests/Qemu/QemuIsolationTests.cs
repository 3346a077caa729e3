using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>What is read back of a VM whose process is there, its processors stopped: real QEMU.</summary>
public sealed class QemuIsolationTests
{
    [QemuFact]
    public async Task Both_isolated_networks_are_proved_and_what_is_added_behind_our_back_is_found()
    {
        await using var fixture = new QemuFixture();
        ITestBench bench = (await fixture.ConnectAsync()).Require<ITestBench>("test bench");
        foreach (string network in QemuNetworks.Isolated)
        {
            var how = new TestVMRequest { IsolatedNetwork = network };
            await using ITestVM vm = await bench.PrepareAsync(fixture.Source, how, null, default);
            Assert.All(await vm.ProveIsolationAsync(default), c => Assert.Equal(CheckOutcome.Passed, c.Result));
            ISshEndpoints ssh = (await fixture.ConnectAsync()).Require<ISshEndpoints>("SSH");
            if (network == QemuNetworks.None)
                Assert.Equal(ErrorIds.CapabilityMissing, (await Assert.ThrowsAsync<NataliaException>(
                    () => ssh.FindSshAsync(vm.Info.NativeId, default))).ErrorId);
            else
            {
                SshEndpoint? at = await ssh.FindSshAsync(vm.Info.NativeId, default);
                Assert.Equal("127.0.0.1", at!.Host);
                using var client = new System.Net.Sockets.TcpClient();
                await client.ConnectAsync(at.Host, at.Port);
            }
            using (QmpClient monitor = await QmpClient.ConnectAsync(fixture.Find(vm.Info.NativeId).Monitor!,
                TimeSpan.FromSeconds(10), default))
                await monitor.ExecuteAsync("netdev_add", new JsonObject { ["type"] = "user", ["id"] = "way-out" }, default);
            CheckResult[] wrong =
                [.. (await vm.ProveIsolationAsync(default)).Where(c => c.Result != CheckOutcome.Passed)];
            Assert.Contains("way-out", Assert.Single(wrong).Actual, StringComparison.Ordinal);
            Assert.Equal(ErrorIds.IsolationNotProven,
                (await Assert.ThrowsAsync<NataliaException>(() => vm.StartAsync(default))).ErrorId);
            Assert.False(fixture.IsRunning(vm.Info.NativeId));
        }
    }

    [QemuFact]
    public async Task A_uefi_vm_on_sata_starts_with_variables_of_its_own()
    {
        await using var fixture = new QemuFixture();
        var point = (RestoreSource.PointImage)fixture.Source;
        var source = new RestoreSource.PointImage(point.Point, point.Appliance with
        {
            NativeFormat = "vim25-config",
            NativeConfiguration = """<config xmlns="urn:vim25"><firmware>efi</firmware></config>""",
        }, point.Write);
        ITestBench bench = (await fixture.ConnectAsync()).Require<ITestBench>("test bench");
        var how = new TestVMRequest { IsolatedNetwork = QemuNetworks.None };
        await using ITestVM vm = await bench.PrepareAsync(source, how, null, default);
        Machine machine = fixture.Find(vm.Info.NativeId);
        Assert.Equal((Firmware.Uefi, DiskBus.Sata, "nvram.fd"), (machine.Firmware, machine.Bus, machine.Nvram));
        Assert.Equal(["system", "data"], machine.Disks.Select(d => d.Id));
        await vm.StartAsync(default);
        Assert.True(fixture.IsRunning(vm.Info.NativeId));
    }

    [Fact]
    public async Task An_agent_that_says_anything_is_an_error_and_long_output_is_cut()
    {
        await using var fixture = new QemuFixture(skipsTime: true);
        string said = "";
        Machine machine = fixture.Find("original") with { AgentSocket = "agent.sock" };
        machine.Write();
        fixture.Answer(machine.Agent!, (_, name) => name == "guest-exec" && said.StartsWith('!')
            ? said.Substring(1)
            : name == "guest-exec" ? """{"return":{"pid":1}}""" : said);
        IGuestChannel channel = (await fixture.ConnectAsync()).Require<IGuestChannel>("guest channel");
        await using IGuest guest = await channel.OpenAsync("original", null, TimeSpan.FromMinutes(1), default);
        var command = new GuestCommand { Arguments = ["/bin/check"] };
        foreach ((string answer, string id) in new[]
        {
            ("!{\"return\":{}}", ErrorIds.ServerAnswerInvalid),
            ("!nonsense", ErrorIds.ServerAnswerInvalid),
            ("!{\"error\":{\"class\":\"GenericError\",\"desc\":\"No such file\"}}", ErrorIds.GuestCommandFailed),
            ("!{\"error\":{\"class\":\"GenericError\",\"desc\":\"Command guest-exec has been disabled\"}}",
                ErrorIds.PermissionDenied),
            ("{\"return\":{\"exited\":true,\"out-data\":\"%%%\"}}", ErrorIds.ServerAnswerInvalid),
            ("{\"return\":{\"exited\":false}}", ErrorIds.GuestCommandTimeout),
        })
        {
            said = answer;
            NataliaException refused =
                await Assert.ThrowsAsync<NataliaException>(() => guest.RunAsync(command, default));
            Assert.Equal(id, refused.ErrorId);
        }
        said = $"{{\"return\":{{\"exited\":true,\"exitcode\":0,\"out-data\":\"{Convert.ToBase64String(new byte[3 << 20])}\"}}}}";
        GuestCommandResult result = await guest.RunAsync(command, default);
        Assert.Equal((true, AgentGuest.MostOutput), (result.IsTruncated, result.Output.Length));
    }
}
