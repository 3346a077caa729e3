using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Points;

/// <summary>Locks that follow the retention policy, where copies arrive.</summary>
public sealed class CopyLocksTests
{
    [Fact]
    public async Task Who_wants_no_copy_gets_no_locks_extended_and_who_wants_one_does()
    {
        // The store's clock may not differ from this machine's when the session writes to it.
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow.AddDays(-8));
        using var nas = new RepositoryFixture();
        using var vault = new RepositoryFixture(new MemoryStore(clock, objectLock: true)) { Clock = clock };
        byte[] disk = RepositoryFixture.Disk(100_000, 1);
        using (Repository source = await nas.CreateAsync(nas.Store))
            await RepositoryFixture.BackupAsync(source, disk, time: DateTime.UtcNow.AddHours(-1));
        using (Repository locked = await Repository.CreateAsync(vault.Store, null, vault.Options with
        {
            Immutability = new ImmutabilityPolicy(9, WhileKept: true),
            Retention = new RetentionPolicy { Daily = 30 },
        }, default))
            await RepositoryFixture.BackupAsync(locked, disk, time: clock.GetUtcNow().UtcDateTime);
        clock.Advance(TimeSpan.FromDays(8));
        using var session = new EngineSession(new RecordingHost("No"));
        Assert.Empty(session.Run("param($n, $v) $null = Add-Repository $n -Name nas; "
            + "$null = Add-Repository $v -Name vault", nas.Store, vault.Store).Errors);
        DateTime before = Until();

        Assert.Empty(Copy("-Confirm").Output);
        Assert.Equal(before, Until());

        Assert.Single(Copy("-Confirm:$false").Output);
        Assert.True(Until() > before);

        EngineSession.Result Copy(string answer)
        {
            EngineSession.Result result = session.Run("Get-NataliaRestorePoint -Repository nas | "
                + "Copy-NataliaRestorePoint vault " + answer);
            Assert.Empty(result.Errors);
            return result;
        }

        DateTime Until() => ((RestorePoint)session.Run("@(Get-NataliaRestorePoint -Repository vault)[-1]").Output
            .Single().BaseObject).ImmutableUntilUtc!.Value;
    }
}
