using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Mounts;

public sealed class MountTests : IDisposable
{
    private readonly EngineSession _session = new();
    private readonly RepositoryFixture _bench = new();

    public void Dispose()
    {
        _session.Dispose();
        _bench.Dispose();
    }

    /// <summary>As with rights to read alone.</summary>
    [Fact]
    public async Task A_mark_that_the_store_does_not_take_is_told_and_the_mount_goes_on()
    {
        using (Repository made = await _bench.CreateAsync(_bench.Store)) { }
        var store = new HookStore(_bench.Store)
        {
            Before = what => what.StartsWith("put ", StringComparison.Ordinal)
                && what.Contains("/readers/", StringComparison.Ordinal)
                    ? throw new NataliaException(ErrorIds.StoreAccessDenied, NataliaErrorKind.PermissionDenied, "No.")
                    : Task.CompletedTask,
        };
        EngineSession.Result result = _session.Run(
            "param($h, $s) $null = Add-Fake $h -Name vms; $null = Add-Repository $s -Name nas; "
            + "$null = Invoke-NataliaBackup natalia-test; "
            + "$mount = Get-NataliaRestorePoint -Latest | Mount-NataliaRestorePoint; "
            + "$mount.IsMarked; (Get-NataliaMount).IsMarked; Get-NataliaMount | Dismount-NataliaRestorePoint",
            new FakeHypervisor(), store);
        Assert.Empty(result.ErrorIds);
        Assert.Equal(["False", "False"], result.Text);
        Assert.Contains("stays readable for 72 hours", Assert.Single(result.Warnings,
            w => w.Contains("in use", StringComparison.Ordinal)), StringComparison.Ordinal);
    }
}
