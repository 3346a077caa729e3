namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// A store that tells of locks also where it sets none, because its session is one without immutability: those of
/// another session, and those that a bucket sets itself.
/// </summary>
public interface ILockReader
{
    /// <summary>Until when an object is locked, UTC; null when it is not.</summary>
    /// <param name="name">The object's name.</param>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>, a store error.</exception>
    Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken);
}
