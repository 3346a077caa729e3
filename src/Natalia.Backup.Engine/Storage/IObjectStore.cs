namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// Where a repository's objects lie: a folder, a bucket, memory. The engine needs exactly this much of it.
/// </summary>
/// <remarks>
/// <para><b>What a store must give.</b></para>
/// <list type="bullet">
/// <item><b>Atomic.</b> An object is seen whole or not at all, by its own process and by every other one; an
/// interrupted put leaves nothing that is listed or read.</item>
/// <item><b>Durable.</b> When <see cref="PutAsync"/> has returned, the object survives a crash of this process; after
/// <see cref="FlushAsync"/> also one of this machine. A crash of the machine before that may lose an object, but never
/// tears it.</item>
/// <item><b>Read after write.</b> What was put is listed and read at once, by everybody.</item>
/// <item><b>Write once.</b> The engine never puts the same name twice with other bytes. Where a put is repeated after
/// an unclear answer, the bytes are identical, and the put succeeds. Other bytes under a taken name never replace what
/// is there: a store that can tell throws <c>ObjectExists</c>, one that cannot (a versioned bucket) goes on serving the
/// first bytes.</item>
/// </list>
/// <para><b>Names</b> are relative paths of segments joined by '/', made of <c>a-z 0-9 . - _</c>; no segment is empty,
/// or starts with a dot: <see cref="ObjectName"/>. A store refuses any other name with <c>PathNotContained</c>: they
/// may come from outside.</para>
/// <para><b>Errors</b> are <see cref="NataliaException"/>: <c>ObjectNotFound</c>, <c>ObjectExists</c>,
/// <c>StoreFull</c>, <c>StoreAccessDenied</c>, <c>StoreUnavailable</c>, <c>StoreReadFailed</c>,
/// <c>StoreWriteFailed</c>, <c>ObjectLocked</c>, <c>ObjectArchived</c>, and those of connecting to a server.
/// Cancellation is <see cref="OperationCanceledException"/>. A store does not retry, throttle or count; wrappers
/// do.</para>
/// <para><b>Threads.</b> All members may be called from any thread at once. A cancelled call may or may not have taken
/// effect.</para>
/// </remarks>
public interface IObjectStore : IDisposable
{
    /// <summary>What a person would call this place, without secrets: a full path, <c>s3://bucket/prefix</c>.</summary>
    string Location { get; }

    /// <summary>What kind of store this is: <c>Folder</c>, <c>S3</c>, <c>Memory</c>.</summary>
    string Kind { get; }

    /// <summary>
    /// True when <see cref="PutOptions.MustNotExist"/> decides between two writers at once. False on a versioned
    /// bucket, which accepts both: then a caller that needs one winner puts, waits, and looks who was first.
    /// </summary>
    bool HasExclusiveCreate { get; }

    /// <summary>
    /// What the store can lock against deletion, or null when it cannot: a folder, a bucket without object lock, a
    /// session without immutability.
    /// </summary>
    IObjectLock? ObjectLock { get; }

    /// <summary>Stores one object, whole.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="content">Its bytes. Not kept after the call returns.</param>
    /// <param name="options">How to store it.</param>
    /// <exception cref="NataliaException"><c>ObjectExists</c> when <see cref="PutOptions.MustNotExist"/> is set and the
    /// name is taken; or a store error.</exception>
    Task PutAsync(string name, ObjectContent content, PutOptions options, CancellationToken cancellationToken);

    /// <summary>Fills a buffer from a byte range of an object.</summary>
    /// <returns>How many bytes were read: fewer than asked for only where the object ends; 0 at or behind its
    /// end.</returns>
    /// <param name="name">The object's name.</param>
    /// <param name="offset">The first byte wanted, 0 or more.</param>
    /// <param name="buffer">Where to put them.</param>
    Task<int> ReadAsync(string name, long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Opens an object for reading from its first byte to its last. The caller disposes the stream.</summary>
    /// <param name="name">The object's name.</param>
    /// <param name="cancellationToken">Stops the opening; the stream's own reads take their own.</param>
    Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken);

    /// <summary>What is known of one object, or null when there is none.</summary>
    /// <param name="name">The object's name.</param>
    Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken);

    /// <summary>
    /// All objects whose name begins with <paramref name="prefix"/>, in ordinal order of their names. The prefix is a
    /// plain string, not a folder; empty lists everything. Objects that are put or deleted meanwhile may be listed or
    /// not.
    /// </summary>
    /// <param name="prefix">How the names begin.</param>
    /// <param name="after">Only names behind this one, in ordinal order; it need not be a name that there is. Null
    /// lists from the first. What lies before it costs nothing, or as little as the place allows.</param>
    IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after, CancellationToken cancellationToken);

    /// <summary>Deletes one object. Not an error when there is none.</summary>
    /// <param name="name">The object's name.</param>
    /// <exception cref="NataliaException"><c>ObjectLocked</c> when the object is under an object lock; or a store
    /// error.</exception>
    Task DeleteAsync(string name, CancellationToken cancellationToken);

    /// <summary>
    /// Returns when everything that was put or deleted before is on stable storage, names included. A commit calls it
    /// before it publishes a manifest, a removal before it deletes what the removed manifest named.
    /// </summary>
    Task FlushAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Removes what interrupted puts left behind where nobody lists it: temporary files, unfinished uploads. What is
    /// still being written is younger than any sensible age.
    /// </summary>
    /// <returns>How many leftovers were removed.</returns>
    /// <param name="olderThan">How long ago, by the store's clock, a leftover must have been touched last.</param>
    Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken);
}
