using System.Runtime.CompilerServices;

namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>
/// A store on which everything may be done and nothing is: what is put and deleted is seen by whoever reads through it,
/// and by nobody else. What a lock would refuse, it refuses, so that a plan says what can be done.
/// Holds what is put in memory, so it is for small objects; of a pack only its length is noted. Thread-safe.
/// </summary>
internal sealed class RehearsalStore(IObjectStore inner, TimeProvider clock) : WrappedStore(inner)
{
    private readonly object _gate = new();

    /// <summary>What would be under a name; null for nothing any more.</summary>
    private readonly SortedDictionary<string, (StoredObject Object, byte[]? Bytes)?> _changes =
        new(StringComparer.Ordinal);

    public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken)
    {
        byte[] bytes = content.ToArray();
        await NoteAsync(name, bytes.Length, bytes, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>As a put, of an object that nobody will read: only its length is known.</summary>
    /// <exception cref="NataliaException"><c>ObjectExists</c>.</exception>
    internal Task NoteAsync(string name, long length, CancellationToken cancellationToken) =>
        NoteAsync(name, length, null, cancellationToken);

    private async Task NoteAsync(string name, long length, byte[]? bytes, CancellationToken cancellationToken)
    {
        if (await StatAsync(name, cancellationToken).ConfigureAwait(false) is not null)
            throw new NataliaException(ErrorIds.ObjectExists, NataliaErrorKind.AlreadyExists,
                $"An object '{name}' exists already in {Location}.", name);
        lock (_gate) _changes[name] = (new StoredObject(name, length, clock.UtcNow()), bytes);
    }

    public override async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        if (!TryFind(name, out _)
            && await LockedUntilAsync(name, cancellationToken).ConfigureAwait(false) is DateTime until)
            throw new NataliaException(ErrorIds.ObjectLocked, NataliaErrorKind.PermissionDenied,
                $"The object '{name}' is locked until {until:u}.", name);
        lock (_gate) _changes[name] = null;
    }

    /// <summary>Until when a lock of the real object keeps it, UTC; null when none does, or nothing is there.</summary>
    private async Task<DateTime?> LockedUntilAsync(string name, CancellationToken cancellationToken)
    {
        if (Inner.ObjectLock is not IObjectLock locks) return null;
        try
        {
            return await locks.GetRetainUntilAsync(name, cancellationToken).ConfigureAwait(false) is DateTime until
                && until > clock.UtcNow() ? until : null;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return null;
        }
    }

    public override Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
        TryFind(name, out (StoredObject Object, byte[]?)? change) ? Task.FromResult(change?.Object)
            : base.StatAsync(name, cancellationToken);

    public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        if (!TryFind(name, out (StoredObject, byte[]?)? change))
            return base.ReadAsync(name, offset, buffer, cancellationToken);
        byte[] bytes = Bytes(name, change);
        int count = (int)Math.Min(buffer.Length, Math.Max(0, bytes.Length - offset));
        if (count > 0) bytes.AsMemory((int)offset, count).CopyTo(buffer);
        return Task.FromResult(count);
    }

    public override Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        TryFind(name, out (StoredObject, byte[]?)? change)
            ? Task.FromResult<Stream>(new MemoryStream(Bytes(name, change), writable: false))
            : base.OpenReadAsync(name, cancellationToken);

    public override async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<StoredObject> added;
        lock (_gate)
        {
            added = [.. _changes.Where(c => c.Value is not null && c.Key.StartsWith(prefix, StringComparison.Ordinal)
                && (after is null || string.CompareOrdinal(c.Key, after) > 0)).Select(c => c.Value!.Value.Object)];
        }
        int next = 0;
        await foreach (StoredObject found in base.ListAsync(prefix, after, cancellationToken).ConfigureAwait(false))
        {
            while (next < added.Count && string.CompareOrdinal(added[next].Name, found.Name) < 0)
                yield return added[next++];
            if (!TryFind(found.Name, out _)) yield return found;
        }
        while (next < added.Count) yield return added[next++];
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) => Task.FromResult(0);

    private bool TryFind(string name, out (StoredObject Object, byte[]? Bytes)? change)
    {
        lock (_gate) return _changes.TryGetValue(name, out change);
    }

    private byte[] Bytes(string name, (StoredObject Object, byte[]? Bytes)? change) => change is not var (_, bytes)
        ? throw new NataliaException(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound,
            $"There is no object '{name}' in {Location}.", name)
        : bytes ?? throw new InvalidOperationException($"Of '{name}' only the length is known.");
}
