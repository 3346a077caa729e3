using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Backup;

public sealed class CancellationTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Its puts of packs of blocks stay under way until somebody lets them go on, or they are cancelled.
    /// </summary>
    private sealed class SlowLine(IObjectStore inner) : WrappedStore(inner)
    {
        internal TaskCompletionSource<bool> Began { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        internal TaskCompletionSource<bool> MayEnd { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            if (options.Class == ObjectClass.Data)
            {
                Began.TrySetResult(true);
                using CancellationTokenRegistration stopping =
                    cancellationToken.Register(() => MayEnd.TrySetCanceled());
                await MayEnd.Task;
            }
            await Inner.PutAsync(name, content, options, cancellationToken);
        }
    }

    [Fact]
    public async Task A_cancellation_ends_the_uploads_that_are_under_way_and_leaves_nothing()
    {
        using var fixture = new RepositoryFixture();
        using (await fixture.CreateAsync()) { }
        using var line = new SlowLine(new FaultStore(fixture.Store));
        using Repository repository = await fixture.OpenAsync(line);
        using var stop = new CancellationTokenSource();
        // Everything was read and packed long before: only the upload is waited for.
        Task<RestorePoint> backup = repository.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 1))), null, null,
            stop.Token);
        await line.Began.Task.WaitAsync(s_limit);
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => backup.WaitAsync(s_limit));
        Assert.Empty(await fixture.Store.ListAllAsync($"appliances/{Appliance.ApplianceId}/data/", default));
        Assert.Empty(await PointsAsync(repository));
    }

    [Fact]
    public async Task The_end_of_the_work_waits_for_the_uploads_that_are_under_way()
    {
        using var fixture = new RepositoryFixture();
        using (await fixture.CreateAsync()) { }
        using var line = new SlowLine(new FaultStore(fixture.Store));
        using Repository repository = await fixture.OpenAsync(line);
        byte[] disk = Disk(1 << 20, 1);
        Task<RestorePoint> backup = repository.BackupAsync(Request(new MemoryDiskSource(disk)), null, null, default);
        await line.Began.Task.WaitAsync(s_limit);
        Assert.False(backup.IsCompleted);
        Assert.Empty(await PointsAsync(repository));
        line.MayEnd.SetResult(true);
        Assert.Equal(disk, await RestoreAsync(repository, await backup.WaitAsync(s_limit)));
    }
}
