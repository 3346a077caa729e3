using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Tests.Reclaim;
using Natalia.Backup.Engine.Tests.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Engine.Tests.Copy.CopySteps;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Copy;

/// <summary>
/// Whatever operation of either store a copy dies at: what was good stays good on both sides, and the next try
/// completes it.
/// </summary>
public sealed class CopyCrashTests
{
    private static readonly byte[] s_one = Write(new byte[17 << 20], 200_000, 1), s_two = Write(s_one, 100_000, 2),
        s_three = Write(s_two, 30_000, 3), s_four = Write(s_three, 30_000, 4);

    /// <summary>Three leaves, most of them zeros, so that a copy has checkpoints and still is quick.</summary>
    private static byte[] Write(byte[] disk, int bytes, int seed)
    {
        byte[] written = (byte[])disk.Clone();
        for (int leaf = 0; leaf < 3; leaf++)
            Disk(bytes, seed * 10 + leaf).CopyTo(written, (leaf << 23) + seed * 70_000);
        return written;
    }

    /// <summary>
    /// Where each of the deaths begins: three points in the source, and a copy of the first. It is made once, for
    /// there are some hundred operations to die at.
    /// </summary>
    private static readonly Lazy<Task<Dictionary<string, byte[]>[]>> s_before = new(PrepareAsync);

    [Theory]
    [InlineData(Fault.CrashBefore)]
    [InlineData(Fault.CrashAfter)]
    [InlineData(Fault.PowerLoss)]
    [InlineData(Fault.FailBefore)]
    [InlineData(Fault.FailAfter)]
    [InlineData(Fault.Gone)]
    public async Task At_any_operation_of_the_destination(Fault fault)
    {
        int operations = await RunAsync(Fault.None, -1, inSource: false);
        Assert.True(operations > 40, $"{operations} operations");
        for (int at = 0; at < operations; at++) await RunAsync(fault, at, inSource: false);
    }

    [Theory]
    [InlineData(Fault.CrashBefore)]
    [InlineData(Fault.CrashAfter)]
    [InlineData(Fault.FailBefore)]
    [InlineData(Fault.FailAfter)]
    [InlineData(Fault.Gone)]
    public async Task At_any_operation_of_the_source(Fault fault)
    {
        int operations = await RunAsync(Fault.None, -1, inSource: true);
        Assert.True(operations > 20, $"{operations} operations");
        for (int at = 0; at < operations; at++) await RunAsync(fault, at, inSource: true);
    }

    /// <returns>The objects of the source, those of the destination, and the disk in each point.</returns>
    private static async Task<Dictionary<string, byte[]>[]> PrepareAsync()
    {
        using var from = new RepositoryFixture { Workers = 1 };
        using var to = new RepositoryFixture { Workers = 1, CheckpointBytes = 60_000 };
        var states = new Dictionary<string, byte[]>();
        using (Repository source = await from.CreateAsync())
        using (Repository destination = await to.CreateAsync())
        {
            states[(await BackupAsync(source, s_one)).RestorePointId] = s_one;
            await CopyAllAsync(source, destination);
            states[(await BackupAsync(source, s_two)).RestorePointId] = s_two;
            states[(await BackupAsync(source, s_three)).RestorePointId] = s_three;
        }
        return [await StoreCopy.TakeAsync(from.Store), await StoreCopy.TakeAsync(to.Store), states];
    }

    private static async Task<int> RunAsync(Fault fault, int at, bool inSource)
    {
        using var from = new RepositoryFixture { Workers = 1 };
        using var to = new RepositoryFixture { Workers = 1, CheckpointBytes = 60_000 };
        Dictionary<string, byte[]>[] before = await s_before.Value;
        await StoreCopy.PutBackAsync(from.Store, before[0]);
        await StoreCopy.PutBackAsync(to.Store, before[1]);
        var states = new Dictionary<string, byte[]>(before[2]);

        FaultStore faulty = new(inSource ? from.Store : to.Store, fault, at);
        var told = new List<PointCopy>();
        try
        {
            using Repository source = await from.OpenAsync(inSource ? faulty : null),
                destination = await to.OpenAsync(inSource ? null : faulty);
            told = await CopyAllAsync(source, destination);
        }
        catch (Exception failure) when (failure is SimulatedCrashException or NataliaException)
        {
        }
        int operations = faulty.Operations;
        string what = $"{fault} at {at} of the {(inSource ? "source" : "destination")}"
            + (at >= 0 && at < faulty.Log.Count ? ": " + faulty.Log[at] : "");

        using Repository here = await from.OpenAsync(), there = await to.OpenAsync();
        Assert.True((await PointsAsync(there)).Count >= told.Count, what);
        await AssertCopiesAsync(there, states, what);
        if (inSource) await AssertCopiesAsync(here, states, what);
        try
        {
            List<PointCopy> copies = await CopyAllAsync(here, there);
            Assert.True(copies.Count == 3, what);
        }
        catch (NataliaException failure)
        {
            Assert.Fail($"{what}: the next try failed: {failure.Message}");
        }
        IReadOnlyList<RestorePoint> points = await PointsAsync(there);
        Assert.True(points.Select(p => p.OriginalRestorePointId).Order().SequenceEqual(states.Keys.Order()),
            $"{what}: {points.Count} points");
        await AssertCopiesAsync(there, states, what);

        states[(await BackupAsync(there, s_four)).RestorePointId] = s_four;
        List<CheckResult> audit = [.. await here.VerifyAuditAsync(new AuditExpectations(), default),
            .. await there.VerifyAuditAsync(new AuditExpectations(), default)];
        Assert.True(audit.TrueForAll(r => r.Result is not (CheckOutcome.Failed or CheckOutcome.Warning)),
            $"{what}: {audit.Find(r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning)?.Detail}");
        foreach (RestorePoint old in points) await there.RemoveRestorePointAsync(old, "a test", default);
        await there.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        await AssertCopiesAsync(there, states, what);
        Assert.Single(await PointsAsync(there));
        await ReclaimTests.AssertSweptAsync(to, what);
        return operations;
    }

    /// <summary>
    /// Backups, copies, removals, optimizations and crashes on both sides in random order: every point that is left
    /// restores, and dead lists and mark-and-sweep agree on both sides.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task Any_sequence_keeps_every_point_whole_on_both_sides(int seed) =>
        Sequence.CheckAsync(seed, 40, 10, async steps =>
    {
        using var from = new RepositoryFixture { CheckpointBytes = 600_000 };
        using var to = new RepositoryFixture { CheckpointBytes = 600_000 };
        (await from.CreateAsync()).Dispose();
        (await to.CreateAsync()).Dispose();
        byte[] disk = Disk(9 << 20, seed);
        var states = new Dictionary<string, byte[]>();
        foreach (Step step in steps)
        {
            string what = $"step {step}";
            var random = new Random(step.Seed);
            bool crashes = random.Next(4) == 0;
            RepositoryFixture side = random.Next(4) == 0 ? to : from;
            using Repository one = await side.OpenAsync(), source = await from.OpenAsync();
            using Repository destination = await to.OpenAsync(crashes
                ? new FaultStore(to.Store, random.Next(2) == 0 ? Fault.CrashBefore : Fault.CrashAfter,
                    random.Next(4, 60), seed: step.Seed)
                : null);
            switch (step.Kind)
            {
                case < 4:
                    disk = Change(disk, random.Next(1, 40), random.Next());
                    states[(await BackupAsync(one, disk)).RestorePointId] = disk;
                    break;
                case < 7:
                    try
                    {
                        await CopyAllAsync(source, destination, again: random.Next(3) == 0);
                    }
                    catch (SimulatedCrashException)
                    {
                    }
                    break;
                case < 9:
                    IReadOnlyList<RestorePoint> points = await PointsAsync(one);
                    if (points.Count < 2) break;
                    RestorePoint victim = points[random.Next(1, points.Count)];
                    try
                    {
                        await one.RemoveRestorePointAsync(victim, "a test", default);
                    }
                    catch (NataliaException newest) when (newest.ErrorId == ErrorIds.RestorePointIsNewest)
                    {
                        // An older point that was copied late is the one made last.
                    }
                    break;
                default:
                    await one.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
                    break;
            }
            // What was done to the source alone cannot have changed the destination.
            if (side == from && step.Kind is not (>= 4 and < 7)) continue;
            using Repository after = await to.OpenAsync();
            await AssertCopiesAsync(after, states, what);
        }
        foreach (RepositoryFixture fixture in new[] { from, to })
        {
            using Repository repository = await fixture.OpenAsync();
            if ((await PointsAsync(repository)).Count == 0) continue;
            await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            await AssertCopiesAsync(repository, states, "in the end");
            await ReclaimTests.AssertSweptAsync(fixture, fixture == from ? "source" : "destination");
        }
    });
}
