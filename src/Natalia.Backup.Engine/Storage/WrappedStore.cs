namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// A store that hands everything on to another one: what wrappers derive from. Disposing it disposes the inner store.
/// </summary>
/// <param name="inner">The store that does the work.</param>
public abstract class WrappedStore(IObjectStore inner) : IObjectStore
{
    /// <summary>The store that does the work.</summary>
    public IObjectStore Inner { get; } = inner;

    /// <inheritdoc/>
    public string Location => Inner.Location;

    /// <inheritdoc/>
    public string Kind => Inner.Kind;

    /// <inheritdoc/>
    public bool HasExclusiveCreate => Inner.HasExclusiveCreate;

    /// <inheritdoc/>
    public virtual IObjectLock? ObjectLock => Inner.ObjectLock;

    /// <inheritdoc/>
    public virtual Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken) =>
        Inner.PutAsync(name, content, options, cancellationToken);

    /// <inheritdoc/>
    public virtual Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken) =>
        Inner.ReadAsync(name, offset, buffer, cancellationToken);

    /// <inheritdoc/>
    public virtual Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        Inner.OpenReadAsync(name, cancellationToken);

    /// <inheritdoc/>
    public virtual Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
        Inner.StatAsync(name, cancellationToken);

    /// <inheritdoc/>
    public virtual IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        CancellationToken cancellationToken) =>
        Inner.ListAsync(prefix, after, cancellationToken);

    /// <inheritdoc/>
    public virtual Task DeleteAsync(string name, CancellationToken cancellationToken) =>
        Inner.DeleteAsync(name, cancellationToken);

    /// <inheritdoc/>
    public virtual Task FlushAsync(CancellationToken cancellationToken) => Inner.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public virtual Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) =>
        Inner.SweepAsync(olderThan, cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes the inner store.</summary>
    /// <param name="disposing">True: called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing) Inner.Dispose();
    }
}
