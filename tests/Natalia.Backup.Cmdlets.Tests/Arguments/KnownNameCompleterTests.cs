using System.Diagnostics;
using Natalia.Backup.Cmdlets.Tests.Fakes;

namespace Natalia.Backup.Cmdlets.Tests.Arguments;

public sealed class KnownNameCompleterTests : IDisposable
{
    private readonly EngineSession _session = new();

    public void Dispose() => _session.Dispose();

    [Fact]
    public void A_hypervisor_that_was_only_connected_is_asked()
    {
        Add(new FakeHypervisor());
        Assert.Equal(["pbs"], Complete("Connect-NataliaRepository -ProxmoxStorage "));
        Assert.Equal(["tank"], Complete("Restore-NataliaAppliance -Storage t"));
        Assert.Equal(["pve1"], Complete("Set-NataliaReplication natalia-01 -TargetVMHost "));
    }

    [Fact]
    public void One_that_fails_hides_nothing_of_the_others()
    {
        Add(new FakeHypervisor { OnLearn = _ => throw new InvalidOperationException("down") }, "down");
        Add(new FakeHypervisor { OnLearn = _ => Task.FromException(new TimeoutException("late")) }, "late");
        Assert.Equal([" "], Complete("Connect-NataliaRepository -ProxmoxStorage "));
        Add(new FakeHypervisor(), "up");
        Assert.Equal(["pbs"], Complete("Connect-NataliaRepository -ProxmoxStorage "));
    }

    [Fact]
    public async Task One_that_does_not_answer_is_not_waited_for_long_and_is_let_go()
    {
        var cancelled = new TaskCompletionSource();
        Add(new FakeHypervisor
        {
            OnLearn = async token =>
        {
            using (token.Register(() => cancelled.SetResult())) await cancelled.Task;
            throw new OperationCanceledException(token);
        }
        });
        var clock = Stopwatch.StartNew();
        Assert.Equal(["x"], Complete("Connect-NataliaRepository -ProxmoxStorage x"));
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    private void Add(FakeHypervisor hypervisor, string name = "fake") =>
        Assert.Empty(_session.Run("$null = Add-Fake $args[0] -Name $args[1]", hypervisor, name).Errors);

    private IReadOnlyList<string> Complete(string line) =>
        _session.Run("[System.Management.Automation.CommandCompletion]::CompleteInput($args[0], $args[0].Length, "
            + "$null).CompletionMatches | ForEach-Object CompletionText",
            line).Text;
}
