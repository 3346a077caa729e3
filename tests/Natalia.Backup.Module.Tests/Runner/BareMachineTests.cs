using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>
/// The day on which only a folder with the repository and its password are left, as docs/troubleshooting.md walks
/// through it.
/// </summary>
public sealed class BareMachineTests : IDisposable
{
    private readonly BareMachine _machine = new(
        "New-NataliaRepository -Path (Join-Path $args[1] repository) -Name nas -Password $args[0]");

    public void Dispose() => _machine.Dispose();

    [Fact]
    public async Task The_newest_point_is_restored_as_the_document_says() =>
        _machine.EverythingIsBack(await _machine.RunAsync(_machine.Walk()));

    [Fact]
    public async Task It_is_restored_although_the_file_that_opens_the_repository_is_gone()
    {
        File.Delete(_machine["repository/natalia.json"]);
        RunnerProcess.Result without = await _machine.RunAsync(_machine.Walk());
        Assert.NotEqual(0, without.ExitCode);
        Assert.Contains("-RebuildSettings", without.Output + without.Error, StringComparison.Ordinal);
        _machine.EverythingIsBack(await _machine.RunAsync(_machine.Walk(more: " -RebuildSettings")));
    }
}
