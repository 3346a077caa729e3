using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

public sealed class FolderStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;
    private static ObjectContent Some => new(ObjectStoreConformance.Bytes(100_000));

    public void Dispose() => _folder.Dispose();

    private static async Task<NataliaException> ErrorOf(Func<Task> action) =>
        await Assert.ThrowsAsync<NataliaException>(action);

    private static async Task<int> CountAsync(IObjectStore store, string prefix = "")
    {
        int count = 0;
        await foreach (StoredObject _ in store.ListAsync(prefix, None)) count++;
        return count;
    }

    [Fact]
    public void Opens_only_a_folder_that_is_there_or_that_it_is_to_make()
    {
        string path = _folder["a/b/c"];
        NataliaException error = Assert.Throws<NataliaException>(() => FolderStore.Open(path, create: false));
        Assert.Equal((ErrorIds.RepositoryNotFound, path), (error.ErrorId, error.Target));
        Assert.False(Directory.Exists(_folder["a"]));
        using (FolderStore store = FolderStore.Open(path + "/", create: true)) Assert.Equal(path, store.Location);
        using (FolderStore store = FolderStore.Open(_folder["a/x/../b/./c"], create: false))
            Assert.Equal(path, store.Location);
        File.WriteAllText(_folder["file"], "");
        Assert.Equal(ErrorIds.NotARepository,
            Assert.Throws<NataliaException>(() => FolderStore.Open(_folder["file"], create: true)).ErrorId);
        Assert.Throws<ArgumentException>(() => FolderStore.Open("relative/path", create: true));
        Assert.Throws<ArgumentException>(() => FolderStore.Open("", create: true));
    }

    [Fact]
    public async Task Makes_nothing_in_a_folder_that_it_only_looks_at()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: false);
        Assert.Equal(0, await CountAsync(store));
        Assert.Null(await store.StatAsync("natalia.json", None));
        await store.FlushAsync(None);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
        await store.PutAsync("a", Some, PutOptions.Metadata, None);
        Assert.Equal(1, await CountAsync(store));
    }

    [Fact]
    public async Task Puts_an_object_where_a_person_would_look_for_it()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await store.PutAsync("appliances/ab/data/1", Some, PutOptions.Data, None);
        Assert.Equal(100_000, new FileInfo(_folder["appliances/ab/data/1"]).Length);
        Assert.Empty(Directory.EnumerateFiles(_folder[".tmp"]));
    }

    [Fact]
    [WineCannotTell("Wine takes more than 260 characters everywhere")]
    public async Task Takes_a_long_path()
    {
        string path = _folder.Path;
        while (path.Length < 600) path = Path.Combine(path, new string('d', 60) + " é");
        using FolderStore store = FolderStore.Open(path, create: true);
        string name = string.Join('/', Enumerable.Repeat(new string('n', 63), 8));
        await store.PutAsync(name, Some, PutOptions.Data, None);
        await store.FlushAsync(None);
        Assert.Equal(1, await CountAsync(store));
        Assert.Equal(100_000, await store.ReadAsync(name, 0, new byte[100_001], None));
        await store.DeleteAsync(name, None);
    }

    [Fact]
    public async Task Ignores_what_others_leave_in_a_folder()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await store.PutAsync("a/b", Some, PutOptions.Metadata, None);
        File.WriteAllText(_folder["a/Thumbs.db"], "");
        File.WriteAllText(_folder["a/.DS_Store"], "");
        Directory.CreateDirectory(_folder["@eaDir/x"]);
        File.WriteAllText(_folder["@eaDir/x/y"], "");
        Assert.Equal(1, await CountAsync(store));
        await store.DeleteAsync("a/b", None);
        Assert.True(File.Exists(_folder["a/Thumbs.db"]));
    }

    [Fact]
    public async Task Leaves_no_empty_folders_and_never_deletes_its_own()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await store.PutAsync("a/b/c/d", Some, PutOptions.Metadata, None);
        await store.PutAsync("a/x", Some, PutOptions.Metadata, None);
        await store.DeleteAsync("a/b/c/d", None);
        Assert.Equal([_folder["a/x"]], Directory.EnumerateFileSystemEntries(_folder["a"]));
        await store.DeleteAsync("a/x", None);
        Assert.Equal([_folder[".tmp"]], Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    // The deeper a folder is, the more of its parents go while it is made.
    [Theory]
    [InlineData("shared/deep")]
    [InlineData("a/b/c/d/e/f/g/h")]
    public async Task Keeps_an_object_that_is_put_while_its_folder_is_emptied(string folder)
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await Parallel.ForEachAsync(Enumerable.Range(0, 8), async (worker, token) =>
        {
            for (int i = 0; i < 200; i++)
            {
                await store.PutAsync($"{folder}/{worker}", new ObjectContent(new byte[] { 1 }), PutOptions.Metadata,
                    token);
                Assert.NotNull(await store.StatAsync($"{folder}/{worker}", token));
                await store.DeleteAsync($"{folder}/{worker}", token);
            }
        });
        Assert.Equal(0, await CountAsync(store));
    }

    [Fact]
    public async Task Sweeps_what_killed_writers_left_but_not_what_is_being_written()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await store.PutAsync("a", Some, PutOptions.Metadata, None);
        string old = _folder[".tmp/0123"], young = _folder[".tmp/4567"];
        File.WriteAllText(old, "half an obj");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-25));
        File.WriteAllText(young, "half an obj");
        Assert.Equal(1, await CountAsync(store));
        Assert.Equal(1, await store.SweepAsync(TimeSpan.FromHours(24), None));
        Assert.Equal([young], Directory.EnumerateFiles(_folder[".tmp"]));
        Assert.Equal(1, await store.SweepAsync(TimeSpan.Zero, None));
        Assert.Equal(1, await CountAsync(store));
    }

    [Fact]
    public async Task Says_that_the_folder_has_gone_and_makes_nothing_in_its_place()
    {
        string path = _folder["share/repository"];
        using FolderStore store = FolderStore.Open(path, create: true);
        await store.PutAsync("a/b", Some, PutOptions.Metadata, None);
        Directory.Move(_folder["share"], _folder["away"]);
        await EverythingIsUnavailable(store);
        Assert.False(Directory.Exists(_folder["share"]));
        Directory.Move(_folder["away"], _folder["share"]);
        Assert.Equal(1, await CountAsync(store));
        await store.PutAsync("a/c", Some, PutOptions.Metadata, None);
    }

    private static async Task EverythingIsUnavailable(FolderStore store)
    {
        Func<Task>[] calls =
        [
            () => store.PutAsync("a/c", Some, PutOptions.Metadata, None),
            () => store.PutAsync("new/c", Some, new PutOptions { MustNotExist = true }, None),
            () => store.ReadAsync("a/b", 0, new byte[1], None), () => store.OpenReadAsync("a/b", None),
            () => store.StatAsync("a/b", None), () => store.DeleteAsync("a/b", None),
            () => CountAsync(store), () => CountAsync(store, "a/"), () => CountAsync(store, "elsewhere/"),
            () => store.FlushAsync(None), () => store.SweepAsync(TimeSpan.Zero, None),
        ];
        foreach (Func<Task> call in calls)
        {
            NataliaException error = await ErrorOf(call);
            Assert.Equal((ErrorIds.StoreUnavailable, store.Location), (error.ErrorId, error.Target));
        }
    }

    [MountFact]
    public async Task Does_not_take_an_empty_mount_point_for_the_share()
    {
        using var mount = new MountedFolder("4m");
        using FolderStore store = FolderStore.Open(mount.Path, create: true);
        await store.PutAsync("a/b", Some, PutOptions.Metadata, None);
        mount.Unmount();
        await EverythingIsUnavailable(store);
        Assert.Empty(Directory.EnumerateFileSystemEntries(mount.Path));
    }

    [MountFact]
    public async Task Says_that_the_disk_is_full_and_leaves_nothing_half_made()
    {
        using var mount = new MountedFolder("3m");
        using FolderStore store = FolderStore.Open(mount.Path, create: true);
        NataliaException error = await FillAsync(store);
        Assert.Equal((ErrorIds.StoreFull, Path.Combine(mount.Path, "a/second")), (error.ErrorId, error.Target));
        Assert.NotNull(error.RecommendedAction);
        Assert.Equal(1, await CountAsync(store));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(mount.Path, ".tmp")));
        await store.DeleteAsync("a/first", None);
        await store.PutAsync("a/second", new ObjectContent(ObjectStoreConformance.Bytes(2 << 20)), PutOptions.Data,
            None);
    }

    [MountFact]
    public async Task Tells_how_much_was_to_be_written_and_how_much_a_full_disk_has_left()
    {
        using var mount = new MountedFolder("3m");
        using FolderStore store = FolderStore.Open(mount.Path, create: true);
        NataliaException error = await FillAsync(store);
        Assert.EndsWith($" of '{store.Location}': 2.00 MiB were to be written next, and 1.00 MiB are free.",
            error.Message, StringComparison.Ordinal);
    }

    /// <summary>What the second of two objects fails with of which only one has room.</summary>
    private static async Task<NataliaException> FillAsync(FolderStore store)
    {
        await store.PutAsync("a/first", new ObjectContent(ObjectStoreConformance.Bytes(2 << 20)), PutOptions.Data,
            None);
        return await ErrorOf(() => store.PutAsync("a/second",
            new ObjectContent(ObjectStoreConformance.Bytes(2 << 20)), PutOptions.Data, None));
    }

    [MountFact]
    public async Task Reads_from_a_read_only_place_and_says_that_it_cannot_write()
    {
        using var mount = new MountedFolder("4m");
        using (FolderStore store = FolderStore.Open(mount.Path, create: true))
            await store.PutAsync("a/b", Some, PutOptions.Metadata, None);
        Directory.Delete(Path.Combine(mount.Path, ".tmp"));
        mount.MakeReadOnly();
        using FolderStore reader = FolderStore.Open(mount.Path, create: false);
        Assert.Equal(1, await CountAsync(reader));
        Assert.Equal(1, await reader.ReadAsync("a/b", 0, new byte[1], None));
        foreach (Func<Task> call in new Func<Task>[] { () => reader.PutAsync("a/c", Some, PutOptions.Metadata,
            None), () => reader.DeleteAsync("a/b", None), () => reader.SweepAsync(TimeSpan.Zero, None) })
            Assert.Equal(ErrorIds.StoreAccessDenied, (await ErrorOf(call)).ErrorId);
        Assert.Equal(ErrorIds.StoreAccessDenied,
            Assert.Throws<NataliaException>(
                () => FolderStore.Open(Path.Combine(mount.Path, "new"), create: true)).ErrorId);
        Assert.Equal(1, await CountAsync(reader));
    }

    [UnixFact]
    public async Task Follows_no_link_out_of_the_folder()
    {
        using var outside = new TemporaryFolder();
        File.WriteAllText(outside["secret"], "keep out");
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await store.PutAsync("a/b", Some, PutOptions.Metadata, None);
        File.CreateSymbolicLink(_folder["a/file"], outside["secret"]);
        Directory.CreateSymbolicLink(_folder["folder"], outside.Path);
        Directory.CreateSymbolicLink(_folder["dangling"], outside["not-there"]);
        foreach (string name in new[] { "a/file", "folder/secret", "folder/new", "dangling/x", "dangling" })
        {
            Func<Task>[] calls =
            [
                () => store.ReadAsync(name, 0, new byte[1], None), () => store.OpenReadAsync(name, None),
                () => store.StatAsync(name, None), () => store.DeleteAsync(name, None),
                () => store.PutAsync(name, Some, PutOptions.Metadata, None),
            ];
            foreach (Func<Task> call in calls) Assert.Equal(ErrorIds.PathNotContained, (await ErrorOf(call)).ErrorId);
        }
        Assert.Equal(1, await CountAsync(store));
        Assert.Equal(ErrorIds.PathNotContained, (await ErrorOf(() => CountAsync(store, "folder/"))).ErrorId);
        Assert.Equal("keep out", File.ReadAllText(outside["secret"]));
        Assert.Single(Directory.EnumerateFileSystemEntries(outside.Path));
    }

    [UnixFact]
    public void Refuses_a_folder_for_temporary_files_that_is_a_link()
    {
        using var outside = new TemporaryFolder();
        Directory.CreateSymbolicLink(_folder[".tmp"], outside.Path);
        Assert.Equal(ErrorIds.PathNotContained,
            Assert.Throws<NataliaException>(() => FolderStore.Open(_folder.Path, create: true)).ErrorId);
    }

    [UnixFact]
    public void Publishes_by_hard_link_where_rename_cannot_refuse_to_replace()
    {
        string temporary = _folder["t"], final = _folder["f"];
        File.WriteAllText(temporary, "new");
        Assert.True(NativeFiles.LinkOnUnix(temporary, final));
        Assert.False(File.Exists(temporary));
        File.WriteAllText(temporary, "newer");
        Assert.False(NativeFiles.LinkOnUnix(temporary, final));
        Assert.Equal(("newer", "new"), (File.ReadAllText(temporary), File.ReadAllText(final)));
        Assert.Throws<DirectoryNotFoundException>(() => NativeFiles.LinkOnUnix(temporary, _folder["no/f"]));
    }

    [Theory]
    [InlineData(unchecked((int)0x80070070), "There is no room left on the disk or share of '/backup'.")]
    [InlineData(unchecked((int)0x8007050F), "The quota is used up where '/backup' is written.")]
    public void A_full_disk_is_told_by_the_name_of_the_repository_alone(int code, string message) =>
        Assert.Equal(message, FolderErrors.Translate(new IOException("No space left : '/backup/.tmp/1'", code),
            "/backup/data/00000000", writing: true, "/backup").Message);

    [Theory]
    [InlineData(28, ErrorIds.StoreFull)]
    [InlineData(122, ErrorIds.StoreFull)]
    [InlineData(30, ErrorIds.StoreAccessDenied)]
    [InlineData(116, ErrorIds.StoreUnavailable)]
    [InlineData(5, ErrorIds.StoreWriteFailed)]
    [InlineData(unchecked((int)0x80070070), ErrorIds.StoreFull)]
    [InlineData(unchecked((int)0x8007050F), ErrorIds.StoreFull)]
    [InlineData(unchecked((int)0x80070040), ErrorIds.StoreUnavailable)]
    [InlineData(unchecked((int)0x80070035), ErrorIds.StoreUnavailable)]
    [InlineData(unchecked((int)0x80070020), ErrorIds.StoreFileInUse)]
    [InlineData(unchecked((int)0x80070021), ErrorIds.StoreFileInUse)]
    [InlineData(11, ErrorIds.StoreFileInUse)]
    [InlineData(unchecked((int)0x80131620), ErrorIds.StoreWriteFailed)]
    public void Translates_what_the_system_says(int code, string id)
    {
        if (OperatingSystem.IsWindows() && code > 0) return;
        NataliaException error = FolderErrors.Translate(new IOException("the system's words", code), "/backup/x",
            writing: true);
        Assert.Equal((id, "/backup/x"), (error.ErrorId, error.Target));
        Assert.Contains("/backup/x", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.RecommendedAction);
    }
}
