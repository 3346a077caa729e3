using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>The kernel refuses to flush, under the build that Windows PowerShell 5.1 loads.</summary>
[Trait("Category", "SecondRuntime")]
public sealed class FlushFailureUnderMonoTests
{
    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "mono",
        "Natalia.Backup.Engine.Mono.exe");

    [StraceMonoTheory]
    [InlineData("EIO", "StoreWriteFailed")]
    [InlineData("EDQUOT", "StoreFull")]
    public async Task A_backup_that_cannot_be_flushed_fails_and_makes_no_point(string error, string id)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["disk.raw"], RepositoryFixture.Disk(300_000, 1));
        (int made, string output, string errors) = Counterpart.Mono.Run(new Dictionary<string, string?>(), s_program,
            "make", folder["repository"]);
        Assert.True(made == 0, errors + output);

        (int code, _, string told, IReadOnlyList<string> flushed) = InjectedFlushFailures.Run(
            error, folder["strace"], new Dictionary<string, string?>(), "mono", s_program, "add", folder["repository"],
            folder["disk.raw"]);

        Assert.Equal(1, code);
        Assert.StartsWith(id + ":", told.TrimStart());
        Assert.NotEmpty(flushed);
        Assert.Equal(flushed.Distinct(), flushed);
        using var fixture = new RepositoryFixture(FolderStore.Open(folder["repository"], create: false));
        using Repository repository = await fixture.OpenAsync();
        Assert.Empty(await RepositoryFixture.PointsAsync(repository));
    }
}
