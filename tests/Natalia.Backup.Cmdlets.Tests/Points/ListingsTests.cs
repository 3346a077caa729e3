using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Cmdlets.Tests.Points;

/// <summary>
/// In a bucket each listing is paid for, twelve times as much as a read. What a pipeline has listed once, it does not
/// list again.
/// </summary>
public sealed class ListingsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-lists-");
    private readonly EngineSession _session = new();
    private readonly CountingStore _store = new(new MemoryStore());

    public void Dispose()
    {
        _session.Dispose();
        _folder.Delete(recursive: true);
    }

    // Of the points and of the log by the one who lists; of the log by the one who opens, so that what was removed
    // meanwhile is not taken for a point. A test lists the log once more to record what came of it.
    [Theory]
    [InlineData("Export-NataliaDisk -Destination $args[0]", 1, 3)]
    [InlineData("Test-NataliaRestorePoint", 1, 4)]
    [InlineData("Export-NataliaDisk -Destination $args[0]", 5, 7)]
    [InlineData("Test-NataliaRestorePoint", 5, 12)]
    public async Task A_point_that_is_piped_on_costs_one_listing_of_the_log(string command, int points, int lists)
    {
        await FillAsync(points);
        StoreUsage before = _store.Usage;
        EngineSession.Result result = _session.Run($"Get-NataliaRestorePoint -ApplianceId {Id} | {command}",
            _folder.FullName);
        Assert.Empty(result.Errors);
        Assert.Equal(points, result.Output.Count);
        Assert.Equal(lists, (_store.Usage - before).Lists);
    }

    [Theory]
    [InlineData("Export-NataliaDisk -Destination $args[1]", 2)]
    [InlineData("Test-NataliaRestorePoint", 3)]
    public async Task In_a_new_session_the_points_themselves_are_listed_once(string command, int lists)
    {
        string id = (await FillAsync(3)).RestorePointId;
        StoreUsage before = _store.Usage;
        Assert.Single(_session.Run($"{command} -RestorePointId $args[0] -ApplianceId {Id}", id,
            _folder.FullName).Output);
        Assert.Equal(lists, (_store.Usage - before).Lists);
    }

    // One to find each point that is copied and one to record it; none for a point that is there already.
    [Theory]
    [InlineData(4, 13, 7)]
    [InlineData(8, 21, 7)]
    public async Task Copying_costs_the_source_two_listings_of_the_log_for_each_point_that_is_copied(int points,
        int lists, int again)
    {
        await FillAsync(points);
        var destination = new MemoryStore();
        await Repository.CreateAsync(destination, null, new RepositoryOptions { Label = "offsite" }, default);
        Assert.Empty(_session.Run("$null = Add-Repository $args[0] -Name offsite", destination).Errors);
        const string copy =
            "Get-NataliaRestorePoint -Repository repo -ApplianceId $args[0] | Copy-NataliaRestorePoint offsite";
        StoreUsage before = _store.Usage;
        Assert.Equal(points, _session.Run(copy, Id).Output.Count);
        long first = (_store.Usage - before).Lists;
        before = _store.Usage;
        Assert.Equal(points, _session.Run(copy, Id).Output.Count);
        long second = (_store.Usage - before).Lists;
        Assert.Equal((lists, again), (first, second));
    }

    private static string Id { get; } = new('a', 32);

    private async Task<RestorePoint> FillAsync(int points)
    {
        RestorePoint? made = null;
        var memory = (MemoryStore)_store.Inner;
        Repository repository = await Repository.CreateAsync(memory, null, new RepositoryOptions { Label = "repo" },
            default);
        for (int i = 0; i < points; i++)
        {
            made = await repository.BackupAsync(new BackupRequest
            {
                Appliance = new ApplianceDescription
                {
                    ApplianceId = Id,
                    Name = "natalia-test",
                    HypervisorKind = "Fake",
                },
                Disks = [new BackupDisk("scsi1", DiskRole.Data, new Disk((byte)(i + 1)))],
                TimeUtc = DateTime.UtcNow.AddMinutes(i - 10),
            }, null, null, default);
        }
        Assert.Empty(_session.Run("$null = Add-Repository $args[0] -Name repo", _store).Errors);
        return made!;
    }

    private sealed class Disk(byte content) : IDiskSource
    {
        public long SizeBytes => 1 << 20;

        public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Yield();
            yield return new Extent(0, SizeBytes);
        }

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            buffer.Span.Fill(content);
            return ValueTask.CompletedTask;
        }

        public void Dispose() { }
    }
}
