using System.Runtime.InteropServices;
using System.Security;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

/// <summary>
/// What shares do that disks do not. The calls of Windows are a stand-in here; what they answer is what Windows
/// documents.
/// </summary>
public sealed class ShareTests : IDisposable
{
    private const string Path = @"\\nas\backup\natalia";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private sealed class Shares(int answer = 0) : INetworkShares
    {
        internal List<string> Calls { get; } = [];
        internal IntPtr Password { get; private set; }

        public int Add(string share, string user, IntPtr password)
        {
            Password = password;
            Calls.Add($"add {share} {user} {Marshal.PtrToStringUni(password)!.Length}");
            return answer;
        }

        public int Cancel(string share)
        {
            Calls.Add($"cancel {share}");
            return 0;
        }
    }

    private static SecureString Password
    {
        get
        {
            var password = new SecureString();
            foreach (char c in "top-secret") password.AppendChar(c);
            return password;
        }
    }

    [Fact]
    public void Connects_to_the_share_of_the_path_and_ends_the_connection_with_the_last_store()
    {
        var shares = new Shares();
        NetworkShare first = NetworkShare.Connect(Path, @"NAS\natalia", Password, shares);
        NetworkShare second = NetworkShare.Connect(@"\\?\UNC\NAS\Backup\other", @"NAS\natalia", Password, shares);
        var store = new ShareStore(FolderStore.Open(_folder.Path, create: true), first);
        store.Dispose();
        store.Dispose();
        Assert.DoesNotContain(shares.Calls, c => c.StartsWith("cancel", StringComparison.Ordinal));
        second.Dispose();
        Assert.Equal([@"add \\nas\backup NAS\natalia 10", @"add \\NAS\Backup NAS\natalia 10", @"cancel \\NAS\Backup"],
            shares.Calls);
    }

    [Theory]
    [InlineData(1326, ErrorIds.ShareCredentialRefused)]
    [InlineData(86, ErrorIds.ShareCredentialRefused)]
    [InlineData(1909, ErrorIds.ShareCredentialRefused)]
    [InlineData(1219, ErrorIds.ShareUserConflict)]
    [InlineData(5, ErrorIds.StoreAccessDenied)]
    [InlineData(53, ErrorIds.StoreUnavailable)]
    [InlineData(67, ErrorIds.StoreUnavailable)]
    public void Says_why_a_share_cannot_be_connected_and_never_the_password(int answer, string id)
    {
        var shares = new Shares(answer);
        NataliaException error =
            Assert.Throws<NataliaException>(() => NetworkShare.Connect(Path, "natalia", Password, shares));
        Assert.Equal((id, @"\\nas\backup"), (error.ErrorId, error.Target));
        Assert.NotNull(error.RecommendedAction);
        Assert.DoesNotContain("top-secret", error.ToString(), StringComparison.Ordinal);
        // Nothing was connected, so nothing is ended.
        Assert.Single(shares.Calls);
    }

    [Theory]
    [InlineData(@"C:\backup")]
    [InlineData("/mnt/backup")]
    [InlineData(@"\\nas")]
    [InlineData(@"\\?\C:\backup")]
    public void Credentials_mean_nothing_for_a_path_that_is_not_on_a_share(string path)
    {
        NataliaException error =
            Assert.Throws<NataliaException>(() => NetworkShare.Connect(path, "natalia", Password, new Shares()));
        Assert.Equal((ErrorIds.ShareCredentialNotSupported, NataliaErrorKind.InvalidArgument),
            (error.ErrorId, error.Kind));
    }

    [Fact]
    public void Another_system_than_windows_says_how_it_is_done_there()
    {
        NataliaException error =
            Assert.Throws<NataliaException>(() => NetworkShare.Connect(Path, "natalia", Password, null));
        Assert.Equal((ErrorIds.ShareCredentialNotSupported, NataliaErrorKind.NotSupported),
            (error.ErrorId, error.Kind));
        Assert.Contains("mount", error.RecommendedAction!, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_pack_that_another_program_has_open_for_itself_is_said_and_read_when_it_lets_go()
    {
        using FolderStore store = FolderStore.Open(_folder.Path, create: true);
        await store.PutAsync("data/1", new ObjectContent(new byte[1000]), PutOptions.Data, default);
        string file = System.IO.Path.Combine(_folder.Path, "data", "1");
        using (new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            if (System.IO.Path.DirectorySeparatorChar == '/')
            {
                // Only Windows keeps anybody from reading it.
                Assert.Equal(10, await store.ReadAsync("data/1", 0, new byte[10], default));
                return;
            }
            NataliaException error =
                await Assert.ThrowsAsync<NataliaException>(() => store.ReadAsync("data/1", 0, new byte[10], default));
            Assert.Equal((ErrorIds.StoreFileInUse, NataliaErrorKind.ResourceBusy, file),
                (error.ErrorId, error.Kind, error.Target));
            Assert.Equal(ErrorIds.StoreFileInUse,
                (await Assert.ThrowsAsync<NataliaException>(() => store.OpenReadAsync("data/1", default))).ErrorId);
        }
        Assert.Equal(10, await store.ReadAsync("data/1", 0, new byte[10], default));
    }

    [Fact]
    public async Task A_file_that_is_in_use_for_a_moment_is_waited_for_and_a_share_that_has_gone_is_not()
    {
        using var folder = FolderStore.Open(_folder.Path, create: true);
        using var busy = new Busy(folder);
        using var store = new RetryStore(busy, RetryPolicy.ForFiles with { FirstDelay = TimeSpan.FromMilliseconds(1) });
        await store.PutAsync("data/1", new ObjectContent(new byte[1000]), PutOptions.Data, default);
        busy.Left = 3;
        Assert.Equal(10, await store.ReadAsync("data/1", 0, new byte[10], default));
        Assert.Equal(0, busy.Left);
        busy.Left = int.MaxValue;
        Assert.Equal(ErrorIds.StoreFileInUse,
            (await Assert.ThrowsAsync<NataliaException>(
                () => store.ReadAsync("data/1", 0, new byte[10], default))).ErrorId);
        busy.Left = 1;
        busy.Id = ErrorIds.StoreUnavailable;
        Assert.Equal(ErrorIds.StoreUnavailable,
            (await Assert.ThrowsAsync<NataliaException>(
                () => store.ReadAsync("data/1", 0, new byte[10], default))).ErrorId);
    }

    /// <summary>Somebody else has the files open for some attempts.</summary>
    private sealed class Busy(IObjectStore inner) : WrappedStore(inner)
    {
        internal int Left { get; set; }
        internal string Id { get; set; } = ErrorIds.StoreFileInUse;

        public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken) =>
            Left-- > 0
                ? throw new NataliaException(Id, NataliaErrorKind.ResourceBusy, "on purpose", name)
                : WithoutCount(() => Inner.ReadAsync(name, offset, buffer, cancellationToken));

        private Task<int> WithoutCount(Func<Task<int>> work)
        {
            Left = 0;
            return work();
        }
    }
}
