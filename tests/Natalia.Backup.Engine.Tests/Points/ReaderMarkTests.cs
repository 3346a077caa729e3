using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Points;

/// <summary>A point that a server reads is in use for everybody, as long as the server lives.</summary>
public sealed class ReaderMarkTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new(DateTimeOffset.UtcNow);
    private readonly RepositoryFixture _fixture;

    public ReaderMarkTests() => _fixture = new RepositoryFixture { Clock = _clock };

    /// <summary>A repository with two points, the older one of which is marked by another session.</summary>
    private async Task<(Repository Server, Repository Other, RestorePoint Old, ReaderMark Mark)> MarkAsync()
    {
        Repository server = await _fixture.CreateAsync();
        RestorePoint old = await BackupAsync(server, Disk(1 << 20, 1), time: _clock.GetUtcNow().UtcDateTime);
        _clock.Advance(TimeSpan.FromMinutes(1));
        await BackupAsync(server, Disk(1 << 20, 2), time: _clock.GetUtcNow().UtcDateTime);
        ReaderMark mark = await (await server.OpenPointAsync(old, default)).MarkAsync(default);
        return (server, await _fixture.OpenAsync(), old, mark);
    }

    private async Task RenewedAsync()
    {
        // What renews it runs on other threads: told by what lies in the store.
        string before = await NamesAsync();
        _clock.Advance(TimeSpan.FromMinutes(2));
        for (int i = 0; await NamesAsync() == before && i < 10_000; i++) await Task.Yield();
        Assert.NotEqual(before, await NamesAsync());
    }

    private async Task<string> NamesAsync() => string.Join(" ", (await _fixture.Store.ListAllAsync("appliances/",
        default)).Where(o => o.Name.Contains("/readers/")).Select(o => o.Name));

    [Fact]
    public async Task Nobody_removes_a_marked_point_until_the_mark_is_gone()
    {
        (Repository server, Repository other, RestorePoint old, ReaderMark mark) = await MarkAsync();
        for (int i = 0; i < 8; i++) await RenewedAsync();

        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() =>
            other.RemoveRestorePointAsync(old, "a test", default));
        Assert.Equal(ErrorIds.RestorePointInUse, refused.ErrorId);
        Assert.Equal(ErrorIds.RestorePointInUse, (await other.FindRemovalRefusalAsync(old, default))!.ErrorId);
        IReadOnlyList<RetentionPoint> described = await other.DescribeForRetentionAsync(
            await PointsAsync(other), default);
        Assert.True(described.Single(p => p.RestorePointId == old.RestorePointId).IsInUse);
        Assert.True(mark.IsHeld);

        await mark.DisposeAsync();
        Assert.Equal("", await NamesAsync());
        await other.RemoveRestorePointAsync(old, "a test", default);
        other.Dispose();
        server.Dispose();
    }

    [Fact]
    public async Task A_mark_is_never_in_the_way_of_a_backup_and_the_checks_know_it()
    {
        (Repository server, Repository other, _, ReaderMark mark) = await MarkAsync();
        await BackupAsync(other, Disk(1 << 20, 3), time: _clock.GetUtcNow().UtcDateTime);
        Assert.DoesNotContain(await CheckAsync(other), r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
        RepairReport report = await other.RepairAsync(new RepairOptions(), (_, e) => throw e, null, default);
        Assert.Empty(report.Findings);
        await mark.DisposeAsync();
        other.Dispose();
        server.Dispose();
    }

    /// <summary>Also where giving up is asked for: what is left of the point is being read.</summary>
    [Fact]
    public async Task A_repair_does_not_give_up_a_lost_point_that_is_marked()
    {
        (Repository server, Repository other, RestorePoint old, ReaderMark mark) = await MarkAsync();
        await LoseAsync();

        RepairReport report = await RepairAsync(other);
        RepairFinding lost = Assert.Single(report.Findings, f => f.RestorePointId == old.RestorePointId);
        Assert.Equal((RepairFindingKind.PointLost, RepairAction.Recorded), (lost.Kind, lost.Action));
        Assert.Contains("It is being read", lost.Detail, StringComparison.Ordinal);
        Assert.Equal((2, 0), ((await PointsAsync(other)).Count, report.RemovedPoints));
        Assert.True(mark.IsHeld);

        await mark.DisposeAsync();
        Assert.Equal(1, (await RepairAsync(other)).RemovedPoints);
        Assert.DoesNotContain(await PointsAsync(other), p => p.RestorePointId == old.RestorePointId);
        other.Dispose();
        server.Dispose();
    }

    /// <summary>A removed point whose grace is long over is needed by nobody, unless somebody has said that it
    /// is.</summary>
    [Fact]
    public async Task A_repair_leaves_the_manifest_of_a_removed_and_lost_point_that_is_marked()
    {
        (Repository server, Repository other, RestorePoint old, ReaderMark mark) = await MarkAsync();
        await mark.DisposeAsync();
        OpenPoint opened = await server.OpenPointAsync(old, default);
        await other.RemoveRestorePointAsync(old, "a test", default);
        await LoseAsync();
        _clock.Advance(TimeSpan.FromDays(4));
        mark = await opened.MarkAsync(default);

        await RepairAsync(other);
        Assert.Equal(2, await CountManifestsAsync());
        await mark.DisposeAsync();
        await RepairAsync(other);
        Assert.Equal(1, await CountManifestsAsync());
        other.Dispose();
        server.Dispose();
    }

    /// <summary>Takes away what the older point alone needs.</summary>
    private async Task LoseAsync() => await _fixture.Store.DeleteAsync((await _fixture.Store.ListAllAsync("appliances/",
        default)).First(o => o.Name.Contains("/data/")).Name, default);

    private static Task<RepairReport> RepairAsync(Repository repository) =>
        repository.RepairAsync(new RepairOptions { RemoveLost = true }, (_, e) => throw e, null, default);

    private async Task<int> CountManifestsAsync() =>
        (await _fixture.Store.ListAllAsync(Layout.Manifests(Appliance.ApplianceId), default)).Count;

    [Fact]
    public async Task The_space_of_a_removed_point_is_not_given_back_while_it_is_marked()
    {
        (Repository server, Repository other, RestorePoint old, ReaderMark mark) = await MarkAsync();
        await mark.DisposeAsync();
        OpenPoint opened = await server.OpenPointAsync(old, default);
        await other.RemoveRestorePointAsync(old, "a test", default);
        // Whoever had opened it begins to serve it a moment later.
        mark = await opened.MarkAsync(default);

        Assert.Equal(1, (await other.ReclaimAsync(old.ApplianceId, TimeSpan.Zero, default)).WaitingPoints);
        await mark.DisposeAsync();
        Assert.Equal(1, (await other.ReclaimAsync(old.ApplianceId, TimeSpan.Zero, default)).ForgottenPoints);
        other.Dispose();
        server.Dispose();
    }

    [Fact]
    public async Task The_mark_of_a_server_that_died_runs_out_and_is_swept()
    {
        (Repository server, Repository other, RestorePoint old, ReaderMark mark) = await MarkAsync();
        // As it is when its process is killed: nothing renews it any more.
        string name = (await NamesAsync()).Split(' ').Single();
        byte[] bytes = await _fixture.Store.ReadAllAsync(name, default);
        await mark.DisposeAsync();
        await _fixture.Store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);

        _clock.Advance(TimeSpan.FromMinutes(9));
        Assert.Equal(ErrorIds.RestorePointInUse, (await other.FindRemovalRefusalAsync(old, default))!.ErrorId);
        _clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(await other.FindRemovalRefusalAsync(old, default));
        _clock.Advance(TimeSpan.FromDays(2));
        await other.ReclaimAsync(old.ApplianceId, TimeSpan.Zero, default);
        Assert.Equal("", await NamesAsync());
        other.Dispose();
        server.Dispose();
    }

    [Fact]
    public async Task A_store_that_is_away_is_told_by_the_mark_and_found_again()
    {
        Repository server = await _fixture.CreateAsync();
        RestorePoint point = await BackupAsync(server, Disk(1 << 20, 1), time: _clock.GetUtcNow().UtcDateTime);
        var store = new HookStore(_fixture.Store);
        using Repository through = await _fixture.OpenAsync(store);
        ReaderMark mark = await (await through.OpenPointAsync(point, default)).MarkAsync(default);
        int tries = 0;
        store.Before = what =>
        {
            if (!what.StartsWith("put ", StringComparison.Ordinal)
                || !what.Contains("/readers/")) return Task.CompletedTask;
            // By an error, or by a request that was broken off.
            throw Interlocked.Increment(ref tries) % 2 == 0
                ? new OperationCanceledException()
                : new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection, "It is away.");
        };
        for (int n = 1; n <= 6; n++)
        {
            _clock.Advance(TimeSpan.FromMinutes(2));
            for (int i = 0; Volatile.Read(ref tries) < n && i < 10_000; i++) await Task.Yield();
        }
        Assert.False(mark.IsHeld);
        store.Before = _ => Task.CompletedTask;
        await RenewedAsync();
        Assert.True(mark.IsHeld);
        await mark.DisposeAsync();
        server.Dispose();
    }

    public void Dispose() => _fixture.Dispose();
}
