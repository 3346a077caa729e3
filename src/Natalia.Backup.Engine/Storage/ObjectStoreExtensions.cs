namespace Natalia.Backup.Engine.Storage;

/// <summary>What is the same for every store.</summary>
public static class ObjectStoreExtensions
{
    /// <summary>
    /// All objects whose name begins with <paramref name="prefix"/>, in ordinal order of their names.
    /// </summary>
    /// <param name="store">The store.</param>
    /// <param name="prefix">How the names begin.</param>
    public static IAsyncEnumerable<StoredObject> ListAsync(this IObjectStore store, string prefix,
        CancellationToken cancellationToken) =>
        store.ListAsync(prefix, null, cancellationToken);

    /// <summary>
    /// Finds what a store offers besides the contract, also through wrappers; null when nothing of that kind is there.
    /// </summary>
    /// <typeparam name="T">What is looked for.</typeparam>
    /// <param name="store">The outermost store.</param>
    public static T? Find<T>(this IObjectStore store) where T : class
    {
        for (IObjectStore? s = store; s is not null; s = (s as WrappedStore)?.Inner)
            if (s is T found) return found;
        return null;
    }
}
