using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;
using RepositoryFixture = Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>Archive classes, against a simulator: see <see cref="ArchiveSimulator"/> for what that shows.</summary>
public sealed class S3ArchiveTests : IDisposable
{
    private readonly ArchiveSimulator _server = new();
    private readonly RepositoryFixture _fixture = new();

    public void Dispose()
    {
        _server.Dispose();
        _fixture.Dispose();
    }

    private async Task<IObjectStore> OpenAsync(string? storageClass) =>
        new RetryStore(await S3Store.OpenAsync(new S3StoreOptions
        {
            Bucket = ArchiveSimulator.Bucket,
            Endpoint = _server.Endpoint,
            Prefix = "r",
            AccessKey = "key",
            SecretKey = CephServer.Secret("secret"),
            StorageClass = storageClass,
        }, default), new RetryPolicy { FirstDelay = TimeSpan.FromMilliseconds(5) });

    private async Task<Repository> CreateAsync(string storageClass) =>
        await Repository.CreateAsync(await OpenAsync(storageClass), null,
            _fixture.Options with { StorageClass = storageClass }, default);

    [Theory]
    [InlineData("GLACIER", 5)]
    [InlineData("DEEP_ARCHIVE", 12)]
    public async Task Only_packs_of_blocks_are_archived_and_a_point_is_thawed_before_it_is_read(string storageClass,
        int hours)
    {
        byte[] disk = Disk(4 << 20, 1), changed = Change(disk, 5, 2);
        RestorePoint point;
        using (Repository repository = await CreateAsync(storageClass))
        {
            await BackupAsync(repository, disk);
            int before = _server.Log.Length;
            // A later run reads nothing that is archived.
            point = await BackupAsync(repository, changed);
            Assert.DoesNotContain(_server.Log.Skip(before),
                l => l.StartsWith("GET", StringComparison.Ordinal) && l.Contains("/data/"));
        }
        Assert.All(_server.Classes, c => Assert.Equal(c.Key.Contains("/data/") ? storageClass : "STANDARD", c.Value));
        int packs = _server.Classes.Count(c => c.Value == storageClass);
        Assert.True(packs >= 2);

        // Another session, which was not told of the class.
        using Repository again = await _fixture.OpenAsync(await OpenAsync(null));
        Assert.Equal(storageClass, again.StorageClass);
        using Repository reader = await _fixture.OpenAsync(await OpenAsync(storageClass));
        NataliaException cold = await Assert.ThrowsAsync<NataliaException>(() => RestoreAsync(reader, point));
        Assert.Equal(ErrorIds.ObjectArchived, cold.ErrorId);
        Assert.Equal((CheckOutcome.Skipped, ErrorIds.RestorePointArchived),
            await reader.VerifyRestorePointAsync(point, null, default) is var test
                ? (test.Result, test.ErrorId)
                : default);
        Assert.Contains(await CheckAsync(reader), r => r is { Name: "Packs", Result: CheckOutcome.Skipped });
        Assert.DoesNotContain(await CheckAsync(reader), r => r.Result == CheckOutcome.Failed);

        ThawStatus looked = (await (await reader.OpenPointAsync(point, default)).ThawAsync(null, null, default))!;
        Assert.Equal((packs, packs, 0, 0, false, null),
            (looked.Objects, looked.ArchivedObjects, looked.ThawingObjects, looked.ReadableObjects, looked.IsReadable,
                looked.ExpectedUtc));
        Assert.Equal(looked.Bytes, looked.ArchivedBytes);
        ThawStatus asked = (await (await reader.OpenPointAsync(point, default)).ThawAsync(null, 3, default))!;
        Assert.Equal((0, packs, 3), (asked.ArchivedObjects, asked.ThawingObjects, asked.Days));
        Assert.InRange(asked.ExpectedUtc!.Value, DateTime.UtcNow.AddHours(hours - 0.1),
            DateTime.UtcNow.AddHours(hours + 0.1));
        // Asked again: nothing is asked for twice.
        int requests = _server.Log.Count(l => l.Contains("?restore"));
        Assert.Equal(packs, requests);
        ThawStatus waiting = (await (await reader.OpenPointAsync(point, default)).ThawAsync(null, 3, default))!;
        Assert.Equal((packs, null), (waiting.ThawingObjects, waiting.Days));
        Assert.Equal(requests, _server.Log.Count(l => l.Contains("?restore")));

        // Some are there, some are not: still not readable, and it says so.
        _server.FinishThaws(1);
        Assert.Equal((1, packs - 1),
            await (await reader.OpenPointAsync(point, default)).ThawAsync(null, 3, default) is ThawStatus part
                ? (part.ReadableObjects, part.ThawingObjects)
                : default);
        _server.FinishThaws();
        Assert.True((await (await reader.OpenPointAsync(point, default)).ThawAsync(null, 3, default))!.IsReadable);
        Assert.Equal(changed, await RestoreAsync(reader, point));
        Assert.Equal(CheckOutcome.Passed, (await reader.VerifyRestorePointAsync(point, null, default)).Result);

        // The days are over: it is archived again.
        _server.EndThaws();
        Assert.Equal(packs,
            (await (await reader.OpenPointAsync(point, default)).ThawAsync(null, null, default))!.ArchivedObjects);
    }

    [Fact]
    public async Task Space_of_removed_points_comes_back_without_a_thaw()
    {
        using Repository repository = await CreateAsync("DEEP_ARCHIVE");
        byte[] disk = Disk(4 << 20, 1);
        RestorePoint first = await BackupAsync(repository, disk);
        await BackupAsync(repository, Change(disk, 5, 2));
        await BackupAsync(repository, new byte[4 << 20]);
        await repository.RemoveRestorePointAsync(first, "a test", default);
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        await BackupAsync(repository, Disk(1 << 20, 3));
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        foreach (RestorePoint old in points.Skip(1)) await repository.RemoveRestorePointAsync(old, "a test", default);
        ReclaimResult result = await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        Assert.True(result.DeletedPacks > 0, result.ToString());
        Assert.DoesNotContain(_server.Log, l => l.Contains("?restore"));
    }

    [Fact]
    public async Task What_a_bucket_has_archived_by_itself_is_thawed_for_good()
    {
        using IObjectStore store = await OpenAsync("INTELLIGENT_TIERING");
        await store.PutAsync("data/1", new ObjectContent(new byte[] { 1, 2 }), PutOptions.Data, default);
        IObjectArchive archive = store.Find<IObjectArchive>()!;
        Assert.Equal(ThawState.Readable, await archive.GetThawStateAsync("data/1", default));
        _server.ArchiveUnused();
        Assert.Equal(ThawState.Archived, await archive.GetThawStateAsync("data/1", default));
        // For how long is not to be told here: the server refuses it.
        await archive.RequestThawAsync("data/1", 3, default);
        Assert.Equal(ThawState.Thawing, await archive.GetThawStateAsync("data/1", default));
        Assert.Equal(TimeSpan.FromHours(12), archive.UsualThawTime);
        _server.FinishThaws();
        Assert.Equal(ThawState.Readable, await archive.GetThawStateAsync("data/1", default));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_put_into_an_archive_whose_answer_was_lost_is_known_again(bool encrypts)
    {
        _server.Encrypts = encrypts;
        using Repository repository = await CreateAsync("DEEP_ARCHIVE");
        _server.LosesAnswerOf = "/data/";
        await BackupAsync(repository, Disk(2 << 20, 1));
        Assert.Null(_server.LosesAnswerOf);
        Assert.DoesNotContain(await CheckAsync(repository), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task A_store_without_classes_has_nothing_to_thaw()
    {
        using Repository repository = await _fixture.CreateAsync();
        Assert.Null(
            await (await repository.OpenPointAsync(await BackupAsync(repository, Disk(1 << 20, 1)),
                default)).ThawAsync(null,
            3, default));
    }
}
