namespace Natalia.Backup.Engine.Storage;

/// <summary>What can be said in terms of <see cref="IObjectStore"/> alone.</summary>
internal static class ObjectStoreReading
{
    /// <summary>No object that is read whole is larger; a hostile one must not fill the memory.</summary>
    private const long MaximumWhole = 1L << 30;

    /// <summary>Reads an object whole.</summary>
    internal static async Task<byte[]> ReadAllAsync(this IObjectStore store, string name, CancellationToken cancellationToken)
    {
        // Most objects that are read whole are small: one request instead of two.
        var first = new byte[16 * 1024];
        int read = await store.ReadAsync(name, 0, first, cancellationToken).ConfigureAwait(false);
        if (read < first.Length) return first.AsSpan(0, read).ToArray();
        StoredObject info = await store.StatAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound, $"The object '{name}' vanished from {store.Location} while it was read.", name);
        if (info.Length > MaximumWhole) throw new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData, $"The object '{name}' in {store.Location} has {info.Length} bytes, more than the format allows.", name);
        var all = new byte[info.Length];
        first.AsSpan(0, Math.Min(first.Length, all.Length)).CopyTo(all);
        int at = Math.Min(first.Length, all.Length);
        while (at < all.Length)
        {
            read = await store.ReadAsync(name, at, all.AsMemory(at), cancellationToken).ConfigureAwait(false);
            if (read == 0) return all.AsSpan(0, at).ToArray();
            at += read;
        }
        return all;
    }

    internal static Task<List<StoredObject>> ListAllAsync(this IObjectStore store, string prefix, CancellationToken cancellationToken) => store.ListAllAsync(prefix, null, cancellationToken);

    internal static async Task<List<StoredObject>> ListAllAsync(this IObjectStore store, string prefix, string? after, CancellationToken cancellationToken)
    {
        var all = new List<StoredObject>();
        await foreach (StoredObject found in store.ListAsync(prefix, after, cancellationToken).ConfigureAwait(false)) all.Add(found);
        return all;
    }
}
