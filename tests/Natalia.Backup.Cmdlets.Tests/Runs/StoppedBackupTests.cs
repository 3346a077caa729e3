using System.Management.Automation;
using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Runs;

/// <summary>
/// Ctrl-C in the middle of a backup: the whole cmdlet over a real repository, with a hypervisor that can be held.
/// </summary>
public sealed class StoppedBackupTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-stop-");
    private readonly RecordingHost _host = new();
    private readonly EngineSession _session;
    private readonly TaskCompletionSource _reading = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _releasing = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _mayRelease = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public StoppedBackupTests() => _session = new EngineSession(_host);

    public void Dispose()
    {
        _session.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Control_returns_when_what_was_frozen_is_released_and_the_next_run_works_at_once()
    {
        FakeHypervisor hypervisor = Connect(new FakeHypervisor());
        using PowerShell shell = _session.Create("Invoke-NataliaBackup natalia-test");
        Task stop = await StopWhileReadingAsync(shell, hypervisor);
        Assert.False(stop.IsCompleted);
        Assert.Equal(PSInvocationState.Stopping, shell.InvocationStateInfo.State);
        _mayRelease.SetResult();
        await stop.WaitAsync(s_patience);

        Assert.Equal("release", hypervisor.Journal[^1]);
        Assert.Empty(_session.Run("Get-NataliaRestorePoint").Output);
        hypervisor.OnRead = null;
        EngineSession.Result again = _session.Run("Invoke-NataliaBackup natalia-test");
        Assert.Empty(again.Errors);
        Assert.Single(again.Output);
    }

    [Fact]
    public async Task What_could_not_be_released_is_told_to_the_person_although_the_pipeline_takes_nothing_more()
    {
        FakeHypervisor hypervisor = Connect(new FakeHypervisor
        {
            ReleaseFailure = new InvalidOperationException("The snapshot stays."),
        });
        using PowerShell shell = _session.Create("Invoke-NataliaBackup natalia-test");
        Task stop = await StopWhileReadingAsync(shell, hypervisor);
        _mayRelease.SetResult();
        await stop.WaitAsync(s_patience);

        Assert.Contains("The snapshot stays.", Assert.Single(_host.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_freeze_that_was_stopped_could_not_remove_is_told_to_the_person()
    {
        Connect(new FakeHypervisor
        {
            OnFreeze = async token =>
            {
                _reading.TrySetResult();
                try
                {
                    await Task.Delay(Timeout.Infinite, token);
                }
                catch (OperationCanceledException)
                {
                    throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.InvalidOperation,
                        "The snapshot stays.");
                }
            },
        });
        using PowerShell shell = _session.Create("Invoke-NataliaBackup natalia-test");
        shell.BeginInvoke();
        await _reading.Task.WaitAsync(s_patience);
        await Task.Run(shell.Stop).WaitAsync(s_patience);

        Assert.Contains("The snapshot stays.", Assert.Single(_host.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_point_whose_snapshot_stays_is_written_and_the_error_too()
    {
        Connect(new FakeHypervisor { ReleaseFailure = new InvalidOperationException("The snapshot stays.") });
        _mayRelease.SetResult();
        EngineSession.Result result = _session.Run("Invoke-NataliaBackup natalia-test");

        Assert.Single(result.Output);
        Assert.Equal(["Unexpected"], result.ErrorIds);
        Assert.Contains("The snapshot stays.", Assert.Single(result.Warnings), StringComparison.Ordinal);
    }

    private FakeHypervisor Connect(FakeHypervisor hypervisor)
    {
        hypervisor.OnRelease = async () =>
        {
            _releasing.TrySetResult();
            await _mayRelease.Task;
        };
        Assert.Empty(
            _session.Run("param($fake, $path) $null = Add-Fake $fake -Name fake; $null = New-NataliaRepository $path "
                + "-Unencrypted",
            hypervisor, Path.Combine(_folder.FullName, "repository")).Errors);
        return hypervisor;
    }

    private async Task<Task> StopWhileReadingAsync(PowerShell shell, FakeHypervisor hypervisor)
    {
        hypervisor.OnRead = async token =>
        {
            _reading.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
        };
        shell.BeginInvoke();
        await _reading.Task.WaitAsync(s_patience);
        Task stop = Task.Run(shell.Stop);
        await _releasing.Task.WaitAsync(s_patience);
        return stop;
    }
}
