using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

/// <summary>The kernel says that what was written is not on the disk.</summary>
public sealed class FlushFailureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _flushed = [];

    private static CancellationToken None => CancellationToken.None;
    private static ObjectContent Some => new(ObjectStoreConformance.Bytes(100_000));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(5, ErrorIds.StoreWriteFailed, "stable storage")]
    [InlineData(28, ErrorIds.StoreFull, "no room")]
    [InlineData(122, ErrorIds.StoreFull, "quota")]
    public async Task A_file_that_cannot_be_flushed_is_thrown_away_and_written_anew(int code, string id, string words)
    {
        bool fails = true;
        using FolderStore store = Open(file =>
        {
            _flushed.Add(file.Name);
            if (fails) throw new IOException($"'{file.Name}' could not be brought to stable storage.", SystemCode.Of(code));
            StableFile.Flush(file);
        });
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => store.PutAsync("a/b", Some, PutOptions.Data, None));
        Assert.Equal((id, _folder["a/b"]), (error.ErrorId, error.Target));
        Assert.Contains(words, error.Message);
        Assert.Null(await store.StatAsync("a/b", None));
        Assert.Empty(Directory.EnumerateFiles(_folder[".tmp"]));

        fails = false;
        await store.PutAsync("a/b", Some, PutOptions.Data, None);
        // Two files, each flushed once.
        Assert.Equal(2, _flushed.Distinct().Count());
        Assert.Equal(2, _flushed.Count);
        Assert.Equal(100_000, (await store.StatAsync("a/b", None))!.Length);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_flushed_is_not_flushed_again_and_taken_for_durable()
    {
        int flushes = 0;
        using (FolderStore store = Open(StableFile.Flush,
            folder =>
                throw (++flushes == 1
                    ? new FolderNotFlushedException($"The names in '{folder}'.", 5)
                    : new InvalidOperationException("once"))))
        {
            await store.PutAsync("a/b", Some, PutOptions.Data, None);
            for (int i = 0; i < 3; i++)
            {
                NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => store.FlushAsync(None));
                Assert.Equal(ErrorIds.StoreWriteFailed, error.ErrorId);
                Assert.Contains("connect again", error.RecommendedAction);
            }
            Assert.Equal(1, flushes);
        }
        using FolderStore anew = FolderStore.Open(_folder.Path, create: false);
        await anew.PutAsync("a/c", Some, PutOptions.Data, None);
        await anew.FlushAsync(None);
    }

    [Fact]
    public void A_machine_that_gives_no_more_open_files_does_not_make_an_object_unreadable()
    {
        if (Path.DirectorySeparatorChar == '\\') return;
        foreach (int code in new[] { 23, 24, 12 })
        {
            NataliaException error = FolderErrors.Translate(new IOException("the system's words", code), "/backup/x",
                writing: false);
            Assert.Equal(ErrorIds.SystemLimitReached, error.ErrorId);
            Assert.Contains("ulimit", error.RecommendedAction);
        }
    }

    [Fact]
    [WineCannotTell("whether a flush is durable is the business of the system below Wine")]
    public void Flushes_what_the_system_can_flush()
    {
        using (var file = new FileStream(_folder["f"], FileMode.CreateNew))
        {
            file.Write(new byte[1000], 0, 1000);
            StableFile.Flush(file);
            Assert.Equal(1000, new FileInfo(_folder["f"]).Length);
        }
        StableFile.FlushFolder(_folder.Path);
        if (Path.DirectorySeparatorChar == '\\') return;
        Assert.Throws<DirectoryNotFoundException>(() => StableFile.FlushFolder(_folder["not/there"]));
    }

    private FolderStore Open(Action<FileStream> flushFile, Action<string>? flushFolder = null) =>
        FolderStore.Open(_folder.Path, create: true, flushFile, flushFolder ?? StableFile.FlushFolder);
}
