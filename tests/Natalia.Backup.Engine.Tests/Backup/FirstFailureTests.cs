using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Backup;

/// <summary>Clearing up behind a failure must not hide the failure, even where it fails itself.</summary>
public sealed class FirstFailureTests
{
    [Theory]
    // Of the beginning: the lease cannot be given back. Of the run: what was stored cannot be deleted.
    [InlineData("list", "/points/", ".end")]
    [InlineData("put", "/delta/", "list")]
    public async Task What_clears_up_does_not_hide_what_failed(string operation, string where, string clearing)
    {
        using var fixture = new RepositoryFixture();
        byte[] disk = Disk(100_000, 1);
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, disk);
        bool hasFailed = false, hasCleared = false;
        var store = new HookStore(fixture.Store)
        {
            Before = what =>
            {
                if (hasFailed && what.Contains(clearing))
                {
                    hasCleared = true;
                    throw new InvalidOperationException("The clearing up failed.");
                }
                if (!what.StartsWith(operation) || !what.Contains(where)) return Task.CompletedTask;
                hasFailed = true;
                throw new NataliaException(ErrorIds.StoreFull, NataliaErrorKind.ResourceUnavailable,
                    "The first failure.");
            },
        };
        using (Repository repository = await fixture.OpenAsync(store))
        {
            Exception failure = await Assert.ThrowsAnyAsync<Exception>(
                () => BackupAsync(repository, Change(disk, 3, 2), RequestedBackupType.Full));
            Assert.Equal("The first failure.", failure.Message);
            Assert.True(hasCleared);
        }
    }
}
