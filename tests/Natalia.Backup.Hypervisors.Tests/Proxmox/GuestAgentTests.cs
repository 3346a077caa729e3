using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class GuestAgentTests
{
    private static GuestCommand Command(params string[] arguments) => new() { Arguments = arguments };

    private static async Task<GuestCommandResult> RunAsync(ProxmoxHypervisor hypervisor, GuestCommand command,
        CancellationToken cancellationToken)
    {
        await using IGuest guest = await hypervisor.Find<IGuestChannel>()!.OpenAsync("100", null,
            TimeSpan.FromMinutes(1), cancellationToken);
        return await guest.RunAsync(command, cancellationToken);
    }

    [Fact]
    public async Task A_command_runs_with_its_arguments_as_they_are()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Guest(100).Programs["/usr/bin/natalia-cli check-integrity --path /data; a b&c"] =
                    new SimulatedProcess(3,
                    "out", "err", 4));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        GuestCommandResult result = await RunAsync(hypervisor,
            Command("/usr/bin/natalia-cli", "check-integrity", "--path", "/data; a b&c") with { Input = "{}" },
            default);
        Assert.Equal((3, null, "out", "err", false),
            (result.ExitCode, result.Signal, result.Output, result.Error, result.IsTruncated));
        SimulatorRequest exec = fixture.Server.Requests.Single(r => r.Path.EndsWith("/exec"));
        Assert.Equal(4, exec.Arguments["command"].Count);
        Assert.Equal("{}", exec["input-data"]);
        // The answer that says "exited" comes once: it is asked for once.
        Assert.Equal(5, fixture.Server.Requests.Count(r => r.Path.EndsWith("/exec-status")));
    }

    [Fact]
    public async Task A_signal_is_told_apart_from_an_exit_code()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Programs["/bin/x"] = new SimulatedProcess(-9, ""));
        GuestCommandResult result = await RunAsync(await fixture.ConnectAsync(), Command("/bin/x"), default);
        Assert.Equal((null, 9), (result.ExitCode, result.Signal));
    }

    [Fact]
    public async Task A_command_that_does_not_end_is_a_timeout()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c =>
                c.Guest(100).Programs["/bin/x"] = new SimulatedProcess(0, "", "", int.MaxValue));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        await ThrowsAsync(ErrorIds.GuestCommandTimeout,
            () => RunAsync(hypervisor, Command("/bin/x") with { Timeout = TimeSpan.FromMinutes(1) }, default));
    }

    [Fact]
    public async Task A_result_that_was_lost_on_its_way_is_said_to_be_lost()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c =>
                c.Guest(100).Programs["/bin/x"] = new SimulatedProcess(0, "done", "", 0));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        bool once = false;
        fixture.Server.Intercept = r =>
        {
            if (!r.Path.EndsWith("/exec-status") || once) return null;
            once = true;
            fixture.Cluster.Answer(r);
            return new SimulatorReply(596, null, "timeout", RawBody: "");
        };
        await ThrowsAsync(ErrorIds.GuestCommandFailed, () => RunAsync(hypervisor, Command("/bin/x"), default));
    }

    [Fact]
    public async Task A_guest_is_waited_for_until_it_answers()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).AgentAnswers = false);
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        await ThrowsAsync(ErrorIds.GuestNotReachable,
            () => hypervisor.Find<IGuestChannel>()!.OpenAsync("100", null, TimeSpan.FromMinutes(2), default));
        int pings = 0;
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/ping") && ++pings == 4) fixture.Cluster.Guest(100).AgentAnswers = true;
            return null;
        };
        TimeSpan before = fixture.Clock.Waited;
        await hypervisor.Find<IGuestChannel>()!.OpenAsync("100", null, TimeSpan.FromMinutes(2), default);
        Assert.Equal(TimeSpan.FromSeconds(12), fixture.Clock.Waited - before);
    }

    [Fact]
    public async Task A_guest_without_a_configured_agent_is_not_waited_for()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Config.Remove("agent"));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        await ThrowsAsync(ErrorIds.GuestNotReachable,
            () => hypervisor.Find<IGuestChannel>()!.OpenAsync("100", null, TimeSpan.FromHours(2), default));
        Assert.Equal(TimeSpan.Zero, fixture.Clock.Waited);
    }

    [Theory]
    [InlineData("9.2.6", "VM.GuestAgent.Unrestricted")]
    [InlineData("8.4.1", "VM.Monitor")]
    public async Task The_missing_right_has_the_name_of_the_servers_version(string version, string right)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Version = version);
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Server.Intercept = r => r.Path.EndsWith("/exec")
            ? SimulatorReply.Fail(403, "Permission check failed")
            : null;
        Assert.Contains(right,
            (await ThrowsAsync(ErrorIds.PermissionDenied,
                () => RunAsync(hypervisor, Command("/bin/x"), default))).Message);
    }
}
