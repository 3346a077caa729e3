using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// What every hypervisor that gives disk images must do; docs/hypervisor-contract.md says it in prose. A hypervisor
/// passes by deriving from
/// this with a fixture of its own. Proxmox VE does not take part: it moves the data itself and has no
/// <see cref="IImageSource"/>.
/// </summary>
public abstract class HypervisorConformance : IDisposable
{
    private const string Nas = "11111111111111111111111111111111";
    private const string Bucket = "22222222222222222222222222222222";
    private const string History = "33333333333333333333333333333333";

    private readonly Random _random = new(20261129);
    private HypervisorFixture? _fixture;

    protected HypervisorFixture Fixture => _fixture ??= NewFixture();

    protected abstract HypervisorFixture NewFixture();

    /// <summary>What a repository remembers: the tokens of its newest point, and the states that they name.</summary>
    protected sealed class Remembered(string repositoryId)
    {
        public string RepositoryId => repositoryId;

        public Dictionary<string, string> Tokens { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, byte[]> States { get; } = new(StringComparer.Ordinal);
    }

    [StoreFact]
    public async Task A_frozen_disk_reads_as_it_was_and_what_is_not_allocated_is_zeros()
    {
        using IHypervisor hypervisor = Connect();
        await using IFrozenDisks frozen = await FreezeAsync(hypervisor, new Remembered(Nas), Fixture.DataDisk,
            Fixture.OtherDisk);
        byte[] data = Fixture.Content(Fixture.DataDisk), other = Fixture.Content(Fixture.OtherDisk);
        if (Fixture.IsLive) WriteSomething(Fixture.DataDisk);

        Assert.Equal(DateTimeKind.Utc, frozen.TimeUtc.Kind);
        await AssertReadsAsync(data, frozen.GetDisk(Fixture.DataDisk));
        await AssertReadsAsync(other, frozen.GetDisk(Fixture.OtherDisk));
        Assert.Equal(ErrorIds.DiskNotFound,
            Assert.Throws<NataliaException>(() => frozen.GetDisk("no such disk")).ErrorId);
    }

    [StoreFact]
    public async Task It_freezes_again_and_again_and_nothing_is_left_but_what_the_newest_point_needs()
    {
        var nas = new Remembered(Nas);
        for (int i = 0; i < 3; i++)
        {
            using IHypervisor hypervisor = Connect();
            await RunAsync(hypervisor, nas);
            WriteSomething(Fixture.DataDisk);
        }

        Assert.Equal((0, Fixture.StatesPerRepository), Fixture.OurThings);
    }

    [StoreFact]
    public async Task Changed_extents_cover_every_write_between_two_seals()
    {
        var nas = new Remembered(Nas);
        using IHypervisor hypervisor = Connect();
        for (int i = 0; i < 12; i++)
        {
            Action? whileFrozen = Fixture.IsLive ? () => WriteSomething(Fixture.DataDisk) : null;
            bool isIncremental = await RunAsync(hypervisor, nas, whileFrozen);
            Assert.Equal(i > 0, isIncremental);
            for (int writes = _random.Next(4); writes > 0; writes--)
                WriteSomething(_random.Next(4) == 0 ? Fixture.OtherDisk : Fixture.DataDisk);
        }
    }

    [StoreFact]
    public async Task A_token_that_is_unknown_or_another_disks_is_answered_with_a_reason()
    {
        var nas = new Remembered(Nas);
        using IHypervisor hypervisor = Connect();
        await RunAsync(hypervisor, nas);
        byte[] another = new byte[Fixture.Content(Fixture.DataDisk).Length];
        _random.NextBytes(another);
        Fixture.Replace(Fixture.DataDisk, another);

        await using IFrozenDisks frozen = await FreezeAsync(hypervisor, nas, Fixture.DataDisk);
        IDiskSource disk = frozen.GetDisk(Fixture.DataDisk);
        await AssertReadsAsync(another, disk);
        if (disk is not IChangeTrackingSource tracked) return;
        foreach (string token in new[] { nas.Tokens[Fixture.DataDisk], "", "x", "0/0/0" })
        {
            ChangedExtents answer = await tracked.GetChangedExtentsAsync(token, default);
            Assert.Null(answer.Extents);
            Assert.EndsWith(".", answer.Reason, StringComparison.Ordinal);
        }
    }

    [StoreFact]
    public async Task What_is_not_published_takes_nothing_from_the_point_before()
    {
        var nas = new Remembered(Nas);
        using IHypervisor hypervisor = Connect();
        await RunAsync(hypervisor, nas);
        WriteSomething(Fixture.DataDisk);
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor, nas, Fixture.DataDisk, Fixture.OtherDisk))
            await frozen.SealAsync(default);
        Assert.Equal((0, Fixture.StatesPerRepository), Fixture.OurThings);

        WriteSomething(Fixture.OtherDisk);
        Assert.True(await RunAsync(hypervisor, nas));
    }

    [StoreTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_nobody_can_tell_both_states_stay_and_the_next_run_goes_on_from_the_right_one(
        bool wasPublished)
    {
        var nas = new Remembered(Nas);
        using IHypervisor hypervisor = Connect();
        await RunAsync(hypervisor, nas);
        WriteSomething(Fixture.DataDisk);
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor, nas, Fixture.DataDisk, Fixture.OtherDisk))
        {
            IReadOnlyDictionary<string, string> tokens = await frozen.SealAsync(default);
            await frozen.UnclearAsync(default);
            if (wasPublished) Remember(nas, tokens);
        }
        Assert.Equal(0, Fixture.OurThings.Snapshots);
        WriteSomething(Fixture.DataDisk);

        Assert.True(await RunAsync(hypervisor, nas));
        Assert.Equal((0, Fixture.StatesPerRepository), Fixture.OurThings);
    }

    [StoreFact]
    public async Task A_cancelled_publication_loses_nothing_of_the_point_that_is_there()
    {
        var nas = new Remembered(Nas);
        using IHypervisor hypervisor = Connect();
        await RunAsync(hypervisor, nas);
        WriteSomething(Fixture.DataDisk);
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor, nas, Fixture.DataDisk, Fixture.OtherDisk))
        {
            Remember(nas, await frozen.SealAsync(default));
            try
            {
                await frozen.PublishedAsync(new CancellationToken(true));
            }
            catch (OperationCanceledException)
            {
            }
        }
        WriteSomething(Fixture.DataDisk);

        Assert.True(await RunAsync(hypervisor, nas));
        Assert.Equal((0, Fixture.StatesPerRepository), Fixture.OurThings);
    }

    [StoreFact]
    public async Task A_cancelled_freeze_or_seal_leaves_nothing()
    {
        var nas = new Remembered(Nas);
        using IHypervisor hypervisor = Connect();
        var cancelled = new CancellationToken(true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => SourceOf(hypervisor).FreezeAsync(Fixture.Vm, How(nas, Fixture.DataDisk), cancelled));
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor, nas, Fixture.DataDisk))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => frozen.SealAsync(cancelled));

        Assert.Equal((0, 0), Fixture.OurThings);
    }

    [StoreFact]
    public async Task A_disk_that_was_written_although_it_was_cold_is_not_sealed()
    {
        if (Fixture.IsLive) return;
        using IHypervisor hypervisor = Connect();
        await using IFrozenDisks frozen = await FreezeAsync(hypervisor, new Remembered(Nas), Fixture.DataDisk);
        if (Fixture.HoldsWhatItReads)
        {
            Assert.Throws<IOException>(() => WriteSomething(Fixture.DataDisk));
            return;
        }
        WriteSomething(Fixture.DataDisk);

        Assert.Equal(ErrorIds.DiskChangedWhileRead,
            (await Assert.ThrowsAsync<NataliaException>(() => frozen.SealAsync(default))).ErrorId);
    }

    [StoreFact]
    public async Task A_disk_that_is_not_there_is_an_error_and_one_that_goes_away_fails_to_be_read_or_sealed()
    {
        var nas = new Remembered(Nas);
        using IHypervisor hypervisor = Connect();
        await Assert.ThrowsAsync<NataliaException>(() =>
            FreezeAsync(hypervisor, nas, Fixture.DataDisk, "no such disk"));
        Assert.Equal((0, 0), Fixture.OurThings);

        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor, nas, Fixture.DataDisk))
        {
            if (Fixture.HoldsWhatItReads) Assert.Throws<IOException>(() => Fixture.Detach(Fixture.DataDisk));
            else Fixture.Detach(Fixture.DataDisk);
            if (Fixture.IsLive)
            {
                IDiskSource disk = frozen.GetDisk(Fixture.DataDisk);
                NataliaException gone = await Assert.ThrowsAsync<NataliaException>(
                    () => disk.ReadAsync(0, new byte[512], default).AsTask());
                Assert.Equal(ErrorIds.DiskReadFailed, gone.ErrorId);
            }
        }
        Assert.Equal((0, 0), Fixture.OurThings);
    }

    [StoreTheory]
    [InlineData(Quiescing.Prefer)]
    [InlineData(Quiescing.Require)]
    [InlineData(Quiescing.Skip)]
    public async Task What_quiescing_was_wanted_is_reached_or_told(Quiescing wish)
    {
        Fixture.DeafenGuest();
        using IHypervisor hypervisor = Connect();
        FreezeRequest how = How(new Remembered(Nas), Fixture.DataDisk) with { Quiescing = wish };
        if (wish == Quiescing.Require)
        {
            NataliaException refused = await Assert.ThrowsAsync<NataliaException>(
                () => SourceOf(hypervisor).FreezeAsync(Fixture.Vm, how, default));
            Assert.Equal(ErrorIds.QuiesceFailed, refused.ErrorId);
        }
        else
        {
            await using IFrozenDisks frozen = await SourceOf(hypervisor).FreezeAsync(Fixture.Vm, how, default);
            Assert.Equal(Consistency.Crash, frozen.Consistency);
            if (wish == Quiescing.Skip) Assert.Null(frozen.ConsistencyReason);
        }
        Assert.Equal((0, 0), Fixture.OurThings);
    }

    [StoreFact]
    public async Task Two_repositories_and_another_product_keep_out_of_each_others_way()
    {
        Fixture.MakeForeign();
        int foreign = Fixture.ForeignThings;
        Remembered nas = new(Nas), bucket = new(Bucket);
        using IHypervisor hypervisor = Connect();
        for (int i = 0; i < 6; i++)
        {
            Remembered repository = _random.Next(2) == 0 ? nas : bucket;
            bool isIncremental = repository.Tokens.Count > 0;
            Assert.Equal(isIncremental && Fixture.CountsBesideForeign, await RunAsync(hypervisor, repository));
            WriteSomething(Fixture.DataDisk);
            Fixture.MakeForeign();
            foreign = Fixture.ForeignThings;
        }
        await RunAsync(hypervisor, nas);
        await RunAsync(hypervisor, bucket);

        Assert.Equal((0, 2 * Fixture.StatesPerRepository), Fixture.OurThings);
        Assert.Equal(foreign, Fixture.ForeignThings);
    }

    /// <summary>
    /// The process may die at any call, or the call fail, and either way it may have taken effect or not. What stands
    /// then is found by
    /// what was recorded, and the next run counts from the right state.
    /// </summary>
    [StoreTheory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task Trouble_at_any_call_leaves_nothing_that_the_next_run_does_not_find(bool isDeath, bool isAfter)
    {
        bool hasStruck = true;
        for (int at = 0; hasStruck; at++)
        {
            _fixture?.Dispose();
            _fixture = NewFixture();
            Remembered nas = new(Nas), bucket = new(Bucket);
            using (IHypervisor before = Connect())
            {
                await RunAsync(before, nas);
                await RunAsync(before, bucket);
            }
            Fixture.MakeForeign();
            int foreign = Fixture.ForeignThings;
            WriteSomething(Fixture.DataDisk);
            hasStruck = false;
            using (IHypervisor struck = Fixture.Connect(new CallFault(at, isAfter, isDeath)))
            {
                try
                {
                    await RunAsync(struck, nas);
                }
                catch (Exception e) when (e is SimulatedCrashException or NataliaException)
                {
                    // After a death abandoned, as a process that is gone abandons everything.
                    hasStruck = true;
                }
            }
            WriteSomething(Fixture.DataDisk);
            using IHypervisor next = Connect();
            // The run that was struck may have made its point all the same.
            Assert.True(await RunAsync(next, nas) || !Fixture.CountsBesideForeign,
                $"no incremental after trouble at call {at}");
            Assert.True(await RunAsync(next, bucket));
            Assert.Equal((0, 2 * Fixture.StatesPerRepository), Fixture.OurThings);
            Assert.Equal(foreign, Fixture.ForeignThings);
        }
    }

    public void Dispose()
    {
        _fixture?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// A run as the product makes it: remove what is left over, freeze, read, seal, remember, publish. True when it
    /// was an incremental.
    /// </summary>
    private async Task<bool> RunAsync(IHypervisor hypervisor, Remembered repository, Action? whileFrozen = null)
    {
        IImageSource source = SourceOf(hypervisor);
        FreezeRequest how = How(repository, Fixture.DataDisk, Fixture.OtherDisk);
        foreach (Leftover found in await source.FindLeftoversAsync(Fixture.Vm, default))
        {
            if (found.RepositoryId != how.RepositoryId || found.HistoryId != how.HistoryId) continue;
            if (!found.IsNeeded(how.KnownTokens.Values)) await source.RemoveLeftoverAsync(found, default);
        }
        bool isIncremental = true;
        Fixture.BeforeFreeze();
        IFrozenDisks frozen = await source.FreezeAsync(Fixture.Vm, how, default);
        try
        {
            Assert.Equal(Fixture.ForeignSnapshots, (frozen as IForeignSnapshots)?.ForeignSnapshots ?? 0);
            var states = how.DiskIds.ToDictionary(d => d, Fixture.Content);
            whileFrozen?.Invoke();
            foreach (string disk in how.DiskIds)
                isIncremental &= await ReadAsync(frozen.GetDisk(disk), repository, disk, states[disk]);
            IReadOnlyDictionary<string, string> tokens = await frozen.SealAsync(default);
            Remember(repository, tokens, states);
            await frozen.PublishedAsync(default);
        }
        finally
        {
            await frozen.DisposeAsync();
        }
        return isIncremental;
    }

    /// <summary>Reads a disk as a backup does, and compares with what it must be.</summary>
    private static async Task<bool> ReadAsync(IDiskSource disk, Remembered repository, string diskId, byte[] expected)
    {
        if (disk is IChangeTrackingSource { IsTracked: true } tracked
            && repository.Tokens.TryGetValue(diskId, out string? token)
            && (await tracked.GetChangedExtentsAsync(token, default)).Extents is IReadOnlyList<Extent> changed)
        {
            byte[] state = (byte[])repository.States[diskId].Clone();
            long end = 0;
            foreach (Extent extent in changed)
            {
                Assert.InRange(extent.Offset, end, disk.SizeBytes);
                end = extent.End;
                await disk.ReadAsync(extent.Offset, state.AsMemory((int)extent.Offset, (int)extent.Length), default);
            }
            Assert.InRange(end, 0, disk.SizeBytes);
            Assert.True(state.AsSpan().SequenceEqual(expected), "the changed extents did not cover every write");
            return true;
        }
        await AssertReadsAsync(expected, disk);
        return false;
    }

    private static async Task AssertReadsAsync(byte[] expected, IDiskSource disk)
    {
        Assert.Equal(expected.Length, disk.SizeBytes);
        byte[] read = new byte[expected.Length];
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(default))
            await disk.ReadAsync(extent.Offset, read.AsMemory((int)extent.Offset, (int)extent.Length), default);
        Assert.True(read.AsSpan().SequenceEqual(expected));
    }

    private void Remember(
        Remembered repository, IReadOnlyDictionary<string, string> tokens, Dictionary<string, byte[]>? states = null)
    {
        repository.Tokens.Clear();
        foreach (KeyValuePair<string, string> token in tokens)
        {
            repository.Tokens[token.Key] = token.Value;
            repository.States[token.Key] = states?[token.Key] ?? Fixture.Content(token.Key);
        }
    }

    private void WriteSomething(string diskId)
    {
        byte[] bytes = new byte[_random.Next(1, 40_000)];
        _random.NextBytes(bytes);
        Fixture.Write(diskId, _random.Next(Fixture.Content(diskId).Length - bytes.Length), bytes);
    }

    private IHypervisor Connect() => Fixture.Connect();

    private static IImageSource SourceOf(IHypervisor hypervisor) =>
        hypervisor.Require<IImageSource>("disk images that can be read");

    private Task<IFrozenDisks> FreezeAsync(IHypervisor hypervisor, Remembered repository, params string[] diskIds)
    {
        Fixture.BeforeFreeze();
        return SourceOf(hypervisor).FreezeAsync(Fixture.Vm, How(repository, diskIds), default);
    }

    private static FreezeRequest How(Remembered repository, params string[] diskIds) => new()
    {
        DiskIds = diskIds,
        RunId = Guid.NewGuid().ToString("N"),
        RepositoryId = repository.RepositoryId,
        HistoryId = History,
        KnownTokens = new Dictionary<string, string>(repository.Tokens),
    };
}
