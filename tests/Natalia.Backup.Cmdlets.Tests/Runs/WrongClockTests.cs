using Natalia.Backup.Cmdlets.Tests.Fakes;

namespace Natalia.Backup.Cmdlets.Tests.Runs;

/// <summary>A point that was made while a clock said 2099, as a user meets it.</summary>
public sealed class WrongClockTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-clock-");
    private readonly EngineSession _session = new();

    public void Dispose()
    {
        _session.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void It_is_said_to_be_in_the_future_is_never_the_latest_and_goes_when_it_is_told_to()
    {
        var hypervisor = new FakeHypervisor { TimeUtc = new DateTime(2099, 1, 1, 0, 0, 0, DateTimeKind.Utc) };
        Assert.Empty(_session.Run("$null = Add-Fake $args[0] -Name fake", hypervisor).Errors);
        Assert.Empty(_session.Run("$null = New-NataliaRepository $args[0] -Name repo -Unencrypted",
            Path.Combine(_folder.FullName, "repo")).Errors);
        string wrong = Id(_session.Run("Invoke-NataliaBackup natalia-test"));
        EngineSession.Result none = _session.Run("Get-NataliaRestorePoint -Latest");
        Assert.Empty(none.Output);
        Assert.Contains("in the future", Assert.Single(none.Warnings), StringComparison.Ordinal);

        hypervisor.TimeUtc = DateTime.UtcNow.AddMinutes(-1);
        EngineSession.Result next = _session.Run("Invoke-NataliaBackup natalia-test");
        Assert.Contains(next.Warnings,
            w => w.Contains("in the future", StringComparison.Ordinal)
                && w.Contains("2099-01-01", StringComparison.Ordinal));
        Assert.Equal(Id(next), Id(_session.Run("Get-NataliaRestorePoint -Latest")));
        Assert.Equal([false, true],
            _session.Run("Get-NataliaRestorePoint | ForEach-Object IsInFuture").Output.Select(o => (bool)o.BaseObject));

        Assert.Empty(_session.Run("Set-NataliaRetention -Daily 1 -Repository repo -Force -Confirm:$false").Errors);
        Assert.Empty(_session.Run("$null = Invoke-NataliaRetention -Confirm:$false").Errors);
        EngineSession.Result row = _session.Run("Get-NataliaRetentionPlan | Where-Object RestorePointId -eq $args[0]",
            wrong);
        Assert.StartsWith("In the future", (string)Assert.Single(row.Output).Properties["Reason"].Value,
            StringComparison.Ordinal);
        Assert.Empty(_session.Run("Get-NataliaRestorePoint | Where-Object IsInFuture | Remove-NataliaRestorePoint "
            + "-Reason 'wrong clock' -Confirm:$false").Errors);
        Assert.Equal(Id(next), Id(_session.Run("Get-NataliaRestorePoint")));
    }

    private static string Id(EngineSession.Result result) =>
        (string)Assert.Single(result.Output).Properties["RestorePointId"].Value;
}
