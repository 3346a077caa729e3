using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>All objects of a store, to go back to them later.</summary>
internal static class StoreCopy
{
    internal static async Task<Dictionary<string, byte[]>> TakeAsync(IObjectStore store)
    {
        var copy = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (StoredObject item in await store.ListAllAsync("", default))
            copy[item.Name] = await store.ReadAllAsync(item.Name, default);
        return copy;
    }

    internal static async Task PutBackAsync(IObjectStore store, Dictionary<string, byte[]> copy)
    {
        foreach (StoredObject item in await store.ListAllAsync("", default))
            await store.DeleteAsync(item.Name, default);
        foreach (KeyValuePair<string, byte[]> item in copy)
            await store.PutAsync(item.Key, new ObjectContent(item.Value), PutOptions.Metadata, default);
    }
}
