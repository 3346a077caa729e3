using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Serving.Tests;

/// <summary>A point in a repository in memory, and its disk as it is served.</summary>
internal sealed class ServedPoint : IDisposable
{
    private readonly RepositoryFixture _fixture;

    private ServedPoint(RepositoryFixture fixture, Repository repository, RestorePoint point, byte[] bytes) =>
        (_fixture, Repository, Point, Bytes) = (fixture, repository, point, bytes);

    internal Repository Repository { get; }
    internal RestorePoint Point { get; }
    internal byte[] Bytes { get; }
    internal RepositoryFixture Fixture => _fixture;

    internal static async Task<ServedPoint> MakeAsync(byte[] bytes, string? password = null)
    {
        var fixture = new RepositoryFixture { Password = password };
        Repository repository = await fixture.CreateAsync();
        return new ServedPoint(fixture, repository, await RepositoryFixture.BackupAsync(repository, bytes), bytes);
    }

    internal async Task<PointDiskReader> OpenAsync() =>
        (await Repository.OpenPointAsync(Point, default)).OpenDisk(null);

    internal async Task<PointDisk> ServeAsync(long cacheBytes = PointDisk.DefaultCacheBytes) =>
        new(await OpenAsync(), cacheBytes);

    public void Dispose()
    {
        Repository.Dispose();
        _fixture.Dispose();
    }
}
