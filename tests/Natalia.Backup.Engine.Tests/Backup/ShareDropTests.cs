using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Tests.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Backup;

/// <summary>A share that goes away in the middle of a run: a real mount, taken away and brought back.</summary>
public sealed class ShareDropTests
{
    [MountFact]
    public async Task A_share_that_drops_in_mid_run_ends_the_run_and_the_next_one_goes_on()
    {
        using var server = new TemporaryFolder();
        using var mount = MountedFolder.Of(server.Path);
        using var fixture = new RepositoryFixture(FolderStore.Open(mount.Path, create: true))
        {
            CheckpointBytes = 2 << 20,
        };
        byte[] disk = Disk(12 << 20, 1), changed = Change(disk, 6, 2);
        RestorePoint first;
        using (Repository repository = await fixture.CreateAsync())
        {
            first = await BackupAsync(repository, disk);
            // When half of the disk was read, the share goes.
            int reads = 0;
            var source = new WatchedSource(Disk(12 << 20, 7), () =>
            {
                if (Interlocked.Increment(ref reads) == 2) mount.Unmount();
            });
            NataliaException gone =
                await Assert.ThrowsAsync<NataliaException>(
                    () => repository.BackupAsync(Request(source), null, null, default));
            Assert.Equal((ErrorIds.StoreUnavailable, NataliaErrorKind.Connection), (gone.ErrorId, gone.Kind));
            // Nothing was written into the empty mount point.
            Assert.Empty(Directory.EnumerateFileSystemEntries(mount.Path));
            Assert.Equal(ErrorIds.StoreUnavailable,
                (await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(repository, changed))).ErrorId);
        }
        mount.Mount();
        using Repository again = await fixture.OpenAsync(FolderStore.Open(mount.Path, create: false));
        RestorePoint second = await BackupAsync(again, changed);
        Assert.Equal(disk, await RestoreAsync(again, first));
        Assert.Equal(changed, await RestoreAsync(again, second));
        Assert.DoesNotContain(await CheckAsync(again), r => r.Result == CheckOutcome.Failed);
        Assert.Equal(2, (await PointsAsync(again)).Count);
    }

    /// <summary>Tells of each read.</summary>
    private sealed class WatchedSource(byte[] disk, Action read) : IDiskSource
    {
        private readonly MemoryDiskSource _inner = new(disk);

        public long SizeBytes => _inner.SizeBytes;

        public IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
            _inner.GetAllocatedExtentsAsync(cancellationToken);

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            read();
            return _inner.ReadAsync(offset, buffer, cancellationToken);
        }

        public void Dispose() => _inner.Dispose();
    }
}
