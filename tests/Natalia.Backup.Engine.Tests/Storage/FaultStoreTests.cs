using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

/// <summary>The tool that proves durability must itself do what it says.</summary>
public sealed class FaultStoreTests
{
    private static CancellationToken None => CancellationToken.None;
    private static ObjectContent Four => new(new byte[] { 1, 2, 3, 4 });

    [Theory]
    [InlineData(Fault.FailBefore, 0)]
    [InlineData(Fault.FailAfter, 4)]
    [InlineData(Fault.CrashBefore, 0)]
    [InlineData(Fault.CrashAfter, 4)]
    [InlineData(Fault.Tear, 2)]
    [InlineData(Fault.Gone, 0)]
    public async Task Does_as_much_of_the_operation_as_the_fault_says(Fault fault, int length)
    {
        using var memory = new MemoryStore();
        var store = new FaultStore(memory, fault, at: 1);
        await store.PutAsync("a", Four, PutOptions.Metadata, None);
        await Assert.ThrowsAnyAsync<Exception>(() => store.PutAsync("b", Four, PutOptions.Metadata, None));
        Assert.Equal(length, (await memory.StatAsync("b", None))?.Length ?? 0);
        bool lives = fault is Fault.FailBefore or Fault.FailAfter;
        Exception? later = await Record.ExceptionAsync(() => store.DeleteAsync("a", None));
        Assert.Equal(lives, later is null);
        Assert.Equal(lives, await memory.StatAsync("a", None) is null);
    }

    [Fact]
    public async Task Takes_back_only_what_was_not_flushed_when_the_power_fails()
    {
        var outcomes = new HashSet<(bool, bool)>();
        for (int seed = 0; seed < 20; seed++)
        {
            using var memory = new MemoryStore();
            var store = new FaultStore(memory, Fault.PowerLoss, at: 5, seed: seed);
            await store.PutAsync("kept", Four, PutOptions.Metadata, None);
            await store.PutAsync("old", Four, PutOptions.Metadata, None);
            await store.FlushAsync(None);
            await store.PutAsync("new", Four, PutOptions.Metadata, None);
            await store.DeleteAsync("old", None);
            await Assert.ThrowsAsync<SimulatedCrashException>(() => store.FlushAsync(None));
            Assert.NotNull(await memory.StatAsync("kept", None));
            outcomes.Add((await memory.StatAsync("new", None) is null, await memory.StatAsync("old", None) is null));
        }
        Assert.Equal(4, outcomes.Count);
    }
}
