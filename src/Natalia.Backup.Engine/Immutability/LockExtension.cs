using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>Extends the locks of many objects, each read back.</summary>
internal static class LockExtension
{
    /// <summary>Locks are extended one by one; this many at once.</summary>
    private const int RequestsAtOnce = 8;

    /// <param name="locks">Where.</param>
    /// <param name="names">The objects.</param>
    /// <param name="until">Until when at least.</param>
    /// <param name="onFailure">Told of each object whose lock could not be extended, on any thread; null throws at the first.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The earliest end of those that were extended; null when there was none.</returns>
    internal static async Task<DateTime?> ExtendAsync(IObjectLock locks, IReadOnlyCollection<string> names, DateTime until, Action<string, NataliaException>? onFailure, CancellationToken cancellationToken)
    {
        using var slots = new SemaphoreSlim(RequestsAtOnce);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        DateTime?[] dates = await Task.WhenAll(names.Select(async name =>
        {
            await slots.WaitAsync(stop.Token).ConfigureAwait(false);
            try
            {
                return (DateTime?)await locks.ExtendAsync(name, until, stop.Token).ConfigureAwait(false);
            }
            catch (NataliaException failure) when (onFailure is not null)
            {
                onFailure(name, failure);
                return null;
            }
            catch
            {
                // What is left to do would be done for nothing.
                stop.Cancel();
                throw;
            }
            finally
            {
                slots.Release();
            }
        })).ConfigureAwait(false);
        return dates.Min();
    }
}
