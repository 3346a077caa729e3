using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

/// <summary>
/// Pipes, sockets, devices and folders under the names of objects: nothing waits for them, and none is taken for a
/// file.
/// </summary>
public sealed class NotAFileTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [UnixFact]
    public async Task What_is_no_file_is_an_object_without_bytes_and_can_be_deleted()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await store.PutAsync("a/other", new ObjectContent(new byte[3]), PutOptions.Metadata, None);
        foreach (SpecialFile kind in new[] { SpecialFile.Pipe, SpecialFile.Socket, SpecialFile.EndlessDevice })
        {
            if (!SpecialFiles.TryMake(_folder["a/b"], kind)) continue;
            Assert.Equal(0, await store.ReadAsync("a/b", 0, new byte[100], None).WaitAsync(s_limit));
            using (Stream stream = await store.OpenReadAsync("a/b", None).WaitAsync(s_limit))
                Assert.Equal(0, stream.Read(new byte[10], 0, 10));
            Assert.Equal(0, (await store.StatAsync("a/b", None).WaitAsync(s_limit))!.Length);
            NataliaException taken =
                await Assert.ThrowsAsync<NataliaException>(
                    () => store.PutAsync("a/b", new ObjectContent(new byte[3]), PutOptions.Metadata, None)
                    .WaitAsync(s_limit));
            Assert.Equal(ErrorIds.ObjectExists, taken.ErrorId);
            await store.DeleteAsync("a/b", None).WaitAsync(s_limit);
            Assert.Null(await store.StatAsync("a/b", None));
        }
    }

    [UnixFact]
    public async Task A_folder_is_no_object_and_nothing_is_written_over_it()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        Directory.CreateDirectory(_folder["a/b"]);
        Assert.Equal(ErrorIds.ObjectNotFound,
            (await Assert.ThrowsAsync<NataliaException>(() => store.ReadAsync("a/b", 0, new byte[1], None))).ErrorId);
        Assert.Equal(ErrorIds.ObjectNotFound,
            (await Assert.ThrowsAsync<NataliaException>(() => store.OpenReadAsync("a/b", None))).ErrorId);
        Assert.Null(await store.StatAsync("a/b", None));
        await store.DeleteAsync("a/b", None);
        foreach (bool exclusive in new[] { false, true })
        {
            NataliaException error =
                await Assert.ThrowsAsync<NataliaException>(
                    () => store.PutAsync("a/b", new ObjectContent(new byte[3]),
                        new PutOptions { MustNotExist = exclusive }, None));
            Assert.Equal((ErrorIds.StoreWriteFailed, _folder["a/b"]), (error.ErrorId, error.Target));
            Assert.Contains("is a folder", error.Message);
        }
        Assert.True(Directory.Exists(_folder["a/b"]));
        Assert.Empty(Directory.EnumerateFiles(_folder[".tmp"]));
    }

    [UnixFact]
    public async Task A_link_in_the_place_of_the_folder_for_temporary_files_is_refused_at_the_next_call()
    {
        using var outside = new TemporaryFolder();
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        Directory.Delete(_folder[".tmp"]);
        Directory.CreateSymbolicLink(_folder[".tmp"], outside.Path);
        Assert.Equal(ErrorIds.PathNotContained,
            (await Assert.ThrowsAsync<NataliaException>(
                () => store.PutAsync("a", new ObjectContent(new byte[3]), PutOptions.Metadata, None))).ErrorId);
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside.Path));
    }
}
