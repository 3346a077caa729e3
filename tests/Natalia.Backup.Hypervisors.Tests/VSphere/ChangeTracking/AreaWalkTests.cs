using CsCheck;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.ChangeTracking;

public sealed class AreaWalkTests
{
    private const long Capacity = 3L << 40;

    [Fact]
    public async Task It_asks_until_the_disks_end_whatever_the_areas_say()
    {
        var asked = new List<long>();
        AreaAnswer answer = await AreaWalk.AskAsync(Capacity, (offset, _) =>
        {
            asked.Add(offset);
            // The last area ends far before the part does, and one part has none at all.
            return Task.FromResult(new DiskChanges(offset, 1L << 40,
                offset == 1L << 40 ? [] : [new ChangedArea(offset + 65536, 65536)]));
        }, default);

        Assert.Equal([0, 1L << 40, 2L << 40], asked);
        Assert.Equal(3, answer.Calls);
        Assert.Equal([new Extent(65536, 65536), new Extent((2L << 40) + 65536, 65536)], answer.Extents);
    }

    [Fact]
    public async Task A_disk_of_no_length_is_not_asked_about()
    {
        AreaAnswer answer = await AreaWalk.AskAsync(0, (_, _) => throw new InvalidOperationException(), default);

        Assert.Empty(answer.Extents!);
    }

    [Fact]
    public async Task Neighbours_become_one()
    {
        AreaAnswer answer = await AskOnceAsync(100, new(0, 100, [new(0, 10), new(10, 10), new(30, 5)]));

        Assert.Equal([new Extent(0, 20), new Extent(30, 5)], answer.Extents);
    }

    public static TheoryData<string, long, long, (long Start, long Length)[]> Odd => new()
    {
        { "overlap", 0, 100, [(0, 20), (10, 20)] },
        { "no order", 0, 100, [(50, 10), (0, 10)] },
        { "0 bytes", 0, 100, [(10, 0)] },
        { "-5 bytes", 0, 100, [(10, -5)] },
        { "beyond the disk's 100 bytes", 0, 100, [(90, 11)] },
        { "beyond the disk's 100 bytes", 0, 100, [(long.MaxValue, long.MaxValue)] },
        { "beyond the disk's 100 bytes", 0, 100, [(-1, 5)] },
        { "behind the part", 0, 50, [(45, 10)] },
        { "answered about byte 7", 7, 93, [] },
        { "covers nothing", 0, 0, [] },
        { "covers nothing", 0, -1, [] },
        { "goes beyond the disk's 100 bytes", 0, 101, [] },
        { "goes beyond the disk's 100 bytes", 0, long.MaxValue, [] },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public async Task What_contradicts_itself_is_refused_with_the_reason(string why, long start, long length,
        (long Start, long Length)[] areas)
    {
        AreaAnswer answer = await AskOnceAsync(100,
            new(start, length, [.. areas.Select(a => new ChangedArea(a.Start, a.Length))]));

        Assert.Null(answer.Extents);
        Assert.Contains(why, answer.Why);
    }

    [Fact]
    public async Task A_server_that_never_comes_to_the_end_is_given_up()
    {
        AreaAnswer answer = await AreaWalk.AskAsync(long.MaxValue,
            (offset, _) => Task.FromResult(new DiskChanges(offset, 1, [])), default);

        Assert.Null(answer.Extents);
        Assert.Equal(AreaWalk.MostCalls, answer.Calls);
    }

    [Fact]
    public async Task More_areas_than_are_worth_it_are_not_kept()
    {
        ChangedArea[] many = [.. Enumerable.Range(0, 10_000).Select(i => new ChangedArea(i * 2L, 1))];
        AreaAnswer answer = await AreaWalk.AskAsync(1L << 50, (offset, _) => Task.FromResult(new DiskChanges(offset,
            20_000, [.. many.Select(a => a with { Start = a.Start + offset })])), default);

        Assert.Null(answer.Extents);
        Assert.InRange(answer.Calls, 1, (AreaWalk.MostAreas / 10_000) + 1);
    }

    /// <summary>However a true answer is cut into parts, the same bytes come out.</summary>
    [Fact]
    public void Every_cut_of_the_same_truth_gives_the_same_bytes() =>
        Gen.Select(Gen.Int[1, 400], Gen.Int.List[0, 12], Gen.Int[1, 60]).Sample((size, marks, step) =>
        {
            bool[] truth = new bool[size];
            foreach (int mark in marks) truth[Math.Abs(mark % size)] = true;
            AreaAnswer answer = AreaWalk.AskAsync(size, (offset, _) =>
            {
                long length = Math.Min(step, size - offset);
                ChangedArea[] areas = [.. Enumerable.Range((int)offset, (int)length).Where(i => truth[i])
                    .Select(i => new ChangedArea(i, 1))];
                return Task.FromResult(new DiskChanges(offset, length, areas));
            }, default).GetAwaiter().GetResult();
            bool[] told = new bool[size];
            long end = -1;
            foreach (Extent extent in answer.Extents!)
            {
                if (extent.Offset <= end) return false;
                for (long i = extent.Offset; i < extent.End; i++) told[i] = true;
                end = extent.End;
            }
            return told.AsSpan().SequenceEqual(truth);
        });

    private static Task<AreaAnswer> AskOnceAsync(long capacity, DiskChanges answer) =>
        AreaWalk.AskAsync(capacity, (_, _) => Task.FromResult(answer), default);
}
