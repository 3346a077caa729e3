namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// What a store that can lock objects against deletion offers besides <see cref="PutOptions.RetainUntilUtc"/>. All
/// dates are the store's own answer, read back, never what was asked for.
/// </summary>
public interface IObjectLock
{
    /// <summary>How strong the locks are that this store sets.</summary>
    ObjectLockMode Mode { get; }

    /// <summary>Until when an object is locked, UTC; null when it is not.</summary>
    /// <param name="name">The object's name.</param>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>, a store error.</exception>
    Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a lock last until a date, and reads it back. A lock that lasts longer already stays as it is: locks are
    /// never shortened.
    /// </summary>
    /// <returns>Until when the object is locked now, UTC; not before the date that was asked for.</returns>
    /// <param name="name">The object's name.</param>
    /// <param name="retainUntilUtc">Until when at least, UTC.</param>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>, <c>ObjectNotLocked</c> when the store took the request
    /// but not the lock, a store error.</exception>
    Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken);
}
