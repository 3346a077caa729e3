using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Core;

public sealed class ApplianceListTests
{
    [Fact]
    public async Task Every_appliance_is_found_and_not_every_object_is_listed_for_it()
    {
        string first = new('0', 32), second = new string('0', 31) + "1", third = new('f', 32);
        var memory = new MemoryStore();
        await FillAsync(first, 5000);
        await FillAsync("strange", 2000);
        await FillAsync(second, 1000);
        await FillAsync(third, 3);
        await memory.PutAsync("appliances/" + second + "0", new ObjectContent(), PutOptions.Metadata, default);
        await memory.PutAsync("log/x", new ObjectContent(), PutOptions.Metadata, default);
        var store = new CountingStore(memory);
        Assert.Equal([first, second, third], await RepositoryCore.ListAppliancesAsync(store, default));
        // One page and the look behind it for each that has more than a page.
        Assert.Equal(7, store.Usage.Lists);

        async Task FillAsync(string appliance, int objects)
        {
            for (int i = 0; i < objects; i++)
                await memory.PutAsync($"appliances/{appliance}/data/{i:D8}", new ObjectContent(), PutOptions.Metadata,
                    default);
        }
    }

    [Fact]
    public async Task In_a_folder_the_log_of_years_is_not_looked_through()
    {
        using var folder = new TemporaryFolder();
        using FolderStore store = FolderStore.Open(folder.Path, create: true);
        string[] ids = [.. Enumerable.Range(0, 3).Select(i => new string((char)('a' + i), 32))];
        foreach (string id in ids)
            foreach (string name in new[] { "log/1", "log/2", "points/1" })
                await store.PutAsync($"appliances/{id}/{name}", new ObjectContent(), PutOptions.Metadata, default);
        await store.PutAsync("appliances/strange/log/1", new ObjectContent(), PutOptions.Metadata, default);
        var counted = new CountingStore(store);
        Assert.Equal(ids, await RepositoryCore.ListAppliancesAsync(counted, default));
        // One for each, the strange one too, and the one that finds nothing more.
        Assert.Equal(5, counted.Usage.Lists);
    }
}
