using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>
/// Repository and hypervisor together: what is read, what is kept, and what stands on the hypervisor afterwards.
/// </summary>
public sealed class ReferencePointBackupTests : IDisposable
{
    private const string Disk = "scsi0:0";

    /// <summary>Three leaves of a map: a checkpoint lies between two of them.</summary>
    private const int Size = 24 << 20;

    private readonly Random _random = new(7);
    private readonly MemoryHost _host = new((Disk, RepositoryFixture.Disk(Size, 1)));
    private RepositoryFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData(TokenLife.BornAtSeal)]
    [InlineData(TokenLife.BornAtFreeze)]
    public async Task An_incremental_reads_what_was_written_and_restores_bit_for_bit_over_a_chain(TokenLife life)
    {
        using Repository repository = await _fixture.CreateAsync();
        var states = new List<(RestorePoint Point, byte[] State)>();
        for (int i = 0; i < 8; i++)
        {
            int writes = i == 0 ? 0 : _random.Next(1, 5);
            for (int w = 0; w < writes; w++) Write();
            var hypervisor = new MemoryHypervisor(_host, life);
            byte[] state = _host.Content(Disk);
            // The guest goes on while it is read; that belongs to the next point.
            RestorePoint point = await RunAsync(repository, hypervisor, onFrozen: Write);
            states.Add((point, state));

            Assert.Equal(i == 0 ? BackupType.Full : BackupType.Incremental, point.Type);
            // Four writes of 20,000 bytes and the one during the last run touch at most two blocks of 64 KiB each.
            if (i > 0) Assert.InRange(point.ReadBytes!.Value, 1, (writes + 1) * 2 * 65536);
            Assert.Equal(point.ReadBytes, hypervisor.ReadBytes);
        }
        foreach ((RestorePoint point, byte[] state) in states)
            Assert.Equal(state, await RepositoryFixture.RestoreAsync(repository, point));
        Assert.Equal(life == TokenLife.BornAtSeal ? 1 : 0, _host.Objects.Count);
    }

    [Fact]
    public async Task A_run_that_dies_between_seal_and_publish_leaves_no_reference_point_behind_the_next_one()
    {
        using (Repository repository = await _fixture.CreateAsync()) await RunAsync(repository, New());
        Write();
        MemoryHypervisor dying = New();
        var store = new HookStore(_fixture.Store);
        bool isDead = false;
        store.Before = operation =>
        {
            isDead |= IsPublication(operation);
            if (isDead) dying.Kill();
            return isDead ? throw new SimulatedCrashException(operation) : Task.CompletedTask;
        };
        using (Repository repository = await _fixture.OpenAsync(store))
            await Assert.ThrowsAsync<SimulatedCrashException>(() => RunAsync(repository, dying));
        Assert.Equal(2, _host.Objects.Count(o => o.Kind == MemoryObject.ReferencePoint));

        Write();
        using Repository again = await _fixture.OpenAsync();
        RestorePoint point = await RunAsync(again, New());
        Assert.Equal(BackupType.Incremental, point.Type);
        Assert.Equal(_host.Content(Disk), await RepositoryFixture.RestoreAsync(again, point));
        Assert.Single(_host.Objects);
        Assert.Equal(2, (await RepositoryFixture.PointsAsync(again)).Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_publication_of_which_nobody_knows_is_settled_by_the_next_run(bool wasPublished)
    {
        using (Repository repository = await _fixture.CreateAsync()) await RunAsync(repository, New());
        Write();
        var lost = new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout, "The line is dead.");
        bool isGone = false;
        var store = new HookStore(_fixture.Store);
        store.Before = operation =>
            isGone || !wasPublished && IsPublication(operation) ? throw Lose() : Task.CompletedTask;
        store.After = operation => wasPublished && IsPublication(operation) ? throw Lose() : Task.CompletedTask;
        using (Repository repository = await _fixture.OpenAsync(store))
            Assert.Equal(ErrorIds.StoreUnavailable,
                (await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository, New()))).ErrorId);
        Assert.Equal(["reference", "reference"], _host.Objects.Select(o => o.Kind));

        Write();
        using Repository again = await _fixture.OpenAsync();
        RestorePoint point = await RunAsync(again, New());
        Assert.Equal(BackupType.Incremental, point.Type);
        Assert.Equal(_host.Content(Disk), await RepositoryFixture.RestoreAsync(again, point));
        Assert.Single(_host.Objects);
        Assert.Equal(wasPublished ? 3 : 2, (await RepositoryFixture.PointsAsync(again)).Count);

        NataliaException Lose()
        {
            isGone = true;
            return lost;
        }
    }

    private static bool IsPublication(string operation) =>
        operation.StartsWith("put ", StringComparison.Ordinal)
            && operation.Contains("/points/", StringComparison.Ordinal);

    [Fact]
    public async Task An_incremental_that_broke_off_goes_on_as_one_and_asks_for_no_token_that_never_was()
    {
        _fixture.Dispose();
        _fixture = new RepositoryFixture { CheckpointBytes = 200_000, Workers = 1 };
        using Repository repository = await _fixture.CreateAsync();
        await RunAsync(repository, New());
        for (int i = 0; i < 12; i++) _host.Write(Disk, i * 2_000_000, Noise(120_000));
        MemoryHypervisor broken = New();
        broken.OnRead = () =>
        {
            if (broken.ReadBytes > 1_000_000) throw Broken();
        };
        await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository, broken));
        Assert.Equal(2, await ManifestsAsync());
        Assert.Single(_host.Objects);

        Write();
        MemoryHypervisor next = New();
        RestorePoint point = await RunAsync(repository, next);
        Assert.Equal(BackupType.Incremental, point.Type);
        Assert.Null(point.Reason);
        Assert.Equal(_host.Content(Disk), await RepositoryFixture.RestoreAsync(repository, point));
        Assert.Single(_host.Objects);
    }

    [Fact]
    public async Task A_checkpoint_of_a_second_try_without_its_parents_counts_from_nothing()
    {
        _fixture.Dispose();
        _fixture = new RepositoryFixture { CheckpointBytes = 200_000, Workers = 1 };
        using (Repository repository = await _fixture.CreateAsync()) await RunAsync(repository, New());
        // What the incremental goes out from cannot be read, so that it begins anew and reads everything.
        await DamageMapsAsync();
        Write();
        MemoryHypervisor broken = New();
        broken.OnRead = () =>
        {
            if (broken.ReadBytes > 12_000_000) throw Broken();
        };
        int before = await ManifestsAsync();
        using (Repository repository = await _fixture.OpenAsync())
            await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository, broken));
        Assert.True(await ManifestsAsync() > before, "There is no checkpoint.");

        Write();
        using Repository again = await _fixture.OpenAsync();
        RestorePoint point = await RunAsync(again, New());
        Assert.Equal(_host.Content(Disk), await RepositoryFixture.RestoreAsync(again, point));
    }

    [Fact]
    public async Task A_first_full_that_broke_off_behind_a_checkpoint_reads_everything_again_and_stores_only_the_rest()
    {
        _fixture.Dispose();
        _fixture = new RepositoryFixture { CheckpointBytes = 200_000, Workers = 1 };
        using Repository repository = await _fixture.CreateAsync();
        MemoryHypervisor broken = New();
        broken.OnRead = () =>
        {
            if (broken.ReadBytes > 8_000_000) throw Broken();
        };
        await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository, broken));
        Assert.Equal(1, await ManifestsAsync());
        Assert.Empty(_host.Objects);

        MemoryHypervisor next = New();
        RestorePoint point = await RunAsync(repository, next);
        Assert.Equal(BackupType.Full, point.Type);
        Assert.DoesNotContain("changes", next.Log);
        Assert.Equal(_host.Content(Disk), await RepositoryFixture.RestoreAsync(repository, point));
    }

    [Fact]
    public async Task The_tokens_of_another_vm_are_not_asked_for_although_it_has_the_same_name()
    {
        using Repository repository = await _fixture.CreateAsync();
        await RunAsync(repository, New());
        ApplianceDescription vm = MemoryHypervisor.Describe(_host);
        ApplianceDescription other = vm with { NativeId = null, ApplianceId = new string('d', 32) };
        await using PendingBackup pending = await repository.BeginBackupAsync(History, other, [Disk], default);

        Assert.Empty(pending.KnownTokens);
    }

    [Fact]
    public async Task A_disk_that_took_another_ones_place_is_read_as_a_whole()
    {
        using Repository repository = await _fixture.CreateAsync();
        await RunAsync(repository, New());
        _host.Attach(Disk, RepositoryFixture.Disk(Size, 99));

        RestorePoint point = await RunAsync(repository, New());
        Assert.Equal(BackupType.Full, point.Type);
        Assert.Contains("another disk", point.Reason, StringComparison.Ordinal);
        Assert.Equal(_host.Content(Disk), await RepositoryFixture.RestoreAsync(repository, point));
    }

    private static string History => new('b', 32);

    private static NataliaException Broken() =>
        new(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed, "The line broke.");

    private MemoryHypervisor New() => new(_host, TokenLife.BornAtSeal);

    /// <summary>Flips bytes in the middle of everything that holds nodes of block maps.</summary>
    private async Task DamageMapsAsync()
    {
        var names = new List<string>();
        await foreach (StoredObject found in _fixture.Store.ListAsync("", null, default))
        {
            if (found.Name.Contains("/meta/", StringComparison.Ordinal)) names.Add(found.Name);
        }
        Assert.NotEmpty(names);
        foreach (string name in names)
        {
            using var held = new MemoryStream();
            using (Stream stream = await _fixture.Store.OpenReadAsync(name, default)) await stream.CopyToAsync(held);
            byte[] bytes = held.ToArray();
            for (int i = bytes.Length / 4; i < bytes.Length / 2; i++) bytes[i] ^= 0x55;
            await _fixture.Store.DeleteAsync(name, default);
            await _fixture.Store.PutAsync(name, new ObjectContent(bytes), new PutOptions(), default);
        }
    }

    /// <summary>How many manifests the store holds, those of checkpoints among them.</summary>
    private async Task<int> ManifestsAsync()
    {
        int count = 0;
        await foreach (StoredObject found in _fixture.Store.ListAsync("", null, default))
            count += found.Name.Contains("/points/", StringComparison.Ordinal) ? 1 : 0;
        return count;
    }

    private byte[] Noise(int length)
    {
        byte[] bytes = new byte[length];
        _random.NextBytes(bytes);
        return bytes;
    }

    private void Write()
    {
        byte[] bytes = Noise(20_000);
        _host.Write(Disk, _random.Next(Size - bytes.Length), bytes);
    }

    /// <summary>What the product does with both.</summary>
    private static async Task<RestorePoint> RunAsync(
        Repository repository, MemoryHypervisor hypervisor, Action? onFrozen = null)
    {
        ApplianceDescription vm = MemoryHypervisor.Describe(hypervisor.Host);
        await using PendingBackup pending = await repository.BeginBackupAsync(History, vm, [Disk], default);
        var how = new FreezeRequest
        {
            DiskIds = [Disk],
            RunId = pending.RunId,
            RepositoryId = pending.RepositoryId,
            HistoryId = History,
            KnownTokens = pending.KnownTokens,
        };
        foreach (Leftover found in await hypervisor.FindLeftoversAsync(vm, default))
        {
            if (!found.IsNeeded(how.KnownTokens.Values)) await hypervisor.RemoveLeftoverAsync(found, default);
        }
        await using IFrozenDisks frozen = await hypervisor.FreezeAsync(vm, how, default);
        using IDiskSource disk = frozen.GetDisk(Disk);
        onFrozen?.Invoke();
        var request = new BackupRequest
        {
            Appliance = vm with { ApplianceId = History },
            Disks = [new BackupDisk(Disk, DiskRole.Data, disk)],
            TimeUtc = frozen.TimeUtc,
            Consistency = frozen.Consistency,
        };
        try
        {
            RestorePoint point = await pending.ExecuteAsync(request, frozen.SealAsync, null, default);
            Assert.Equal(PublishState.Published, pending.State);
            return point;
        }
        finally
        {
            if (pending.State == PublishState.Published) await frozen.PublishedAsync(default);
            else if (pending.State == PublishState.Unclear) await frozen.UnclearAsync(default);
        }
    }
}
