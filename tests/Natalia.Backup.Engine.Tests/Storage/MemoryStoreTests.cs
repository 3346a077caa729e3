using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

public sealed class MemoryStoreTests : ObjectStoreConformance
{
    protected override Task<IObjectStore> OpenEmptyAsync() => Task.FromResult<IObjectStore>(new MemoryStore());

    // Nothing but the one object holds its objects, and disposing it does nothing.
    protected override Task<IObjectStore> OpenAgainAsync() => Task.FromResult(Store);

    [Fact]
    public async Task Locks_until_the_date_and_never_shortens()
    {
        var clock = new FakeTimeProvider();
        DateTime start = clock.GetUtcNow().UtcDateTime;
        using var store = new MemoryStore(clock, objectLock: true);
        await store.PutAsync("a", Content([1]), new PutOptions { RetainUntilUtc = start.AddDays(1) }, None);
        Assert.Equal(ErrorIds.ObjectLocked, await ErrorOf(() => store.DeleteAsync("a", None)));
        Assert.Equal(start.AddDays(3), await store.ObjectLock!.ExtendAsync("a", start.AddDays(3), None));
        Assert.Equal(start.AddDays(3), await store.ObjectLock!.ExtendAsync("a", start.AddDays(2), None));
        clock.Advance(TimeSpan.FromDays(3.1));
        await store.DeleteAsync("a", None);
        Assert.Empty(await NamesAsync(store));
    }
}
