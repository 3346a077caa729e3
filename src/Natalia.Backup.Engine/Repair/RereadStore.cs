using System.Collections.Concurrent;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Reads once more what could not be read, so that a passing trouble is not taken for damage, and remembers what could
/// not be read then either. What the medium does not give today it may give tomorrow: nobody may be given up for that
/// alone.
/// </summary>
/// <param name="inner">The store.</param>
/// <param name="unreadable">Names that could not be read before.</param>
internal sealed class RereadStore(IObjectStore inner, IEnumerable<string>? unreadable = null) : WrappedStore(inner)
{
    private readonly ConcurrentDictionary<string, bool> _unreadable = new(
        (unreadable ?? []).Select(name => new KeyValuePair<string, bool>(name, true)), StringComparer.Ordinal);

    /// <summary>The names of objects that are there and that the store could not read.</summary>
    internal ICollection<string> Unreadable => _unreadable.Keys;

    public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken) =>
        TwiceAsync(name, () => base.ReadAsync(name, offset, buffer, cancellationToken));

    public override Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        TwiceAsync(name, () => base.OpenReadAsync(name, cancellationToken));

    public override Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
        TwiceAsync(name, () => base.StatAsync(name, cancellationToken));

    private async Task<T> TwiceAsync<T>(string name, Func<Task<T>> read)
    {
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (NataliaException failure) when (failure.ErrorId == ErrorIds.StoreReadFailed)
        {
        }
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (NataliaException failure) when (failure.ErrorId == ErrorIds.StoreReadFailed)
        {
            _unreadable[name] = true;
            throw;
        }
    }
}
