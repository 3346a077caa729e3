using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Storage;

/// <summary>What can be said in terms of <see cref="IObjectStore"/> alone.</summary>
internal static class ObjectStoreReading
{
    /// <summary>Reads an object whole.</summary>
    /// <exception cref="FormatException">It is larger than any object of its kind (<see cref="ObjectLimits"/>): damaged
    /// or hostile, and not read.</exception>
    internal static async Task<byte[]> ReadAllAsync(this IObjectStore store, string name,
        CancellationToken cancellationToken)
    {
        // Most objects that are read whole are small: one request instead of two.
        var first = new byte[16 * 1024];
        int read = await store.ReadAsync(name, 0, first, cancellationToken).ConfigureAwait(false);
        if (read < first.Length) return first.AsSpan(0, read).ToArray();
        StoredObject info = await store.StatAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound,
                $"The object '{name}' vanished from {store.Location} while it was read.", name);
        ObjectLimits.Require(name, info.Length);
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

    /// <summary>Whether a failure says something of the object that was to be read, and nothing of the store.</summary>
    internal static bool IsOfOneObject(NataliaException failure) =>
        failure.ErrorId is ErrorIds.ObjectDamaged or ErrorIds.StoreReadFailed or ErrorIds.StoreAccessDenied
            or ErrorIds.StoreFileInUse or ErrorIds.PathNotContained or ErrorIds.ObjectArchived;

    internal static Task<List<StoredObject>> ListAllAsync(this IObjectStore store, string prefix,
        CancellationToken cancellationToken) =>
        store.ListAllAsync(prefix, null, cancellationToken);

    internal static async Task<List<StoredObject>> ListAllAsync(this IObjectStore store, string prefix, string? after,
        CancellationToken cancellationToken)
    {
        var all = new List<StoredObject>();
        await foreach (StoredObject found in store.ListAsync(prefix, after, cancellationToken).ConfigureAwait(false))
            all.Add(found);
        return all;
    }
}
