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
    /// <param name="onFailure">Told of each object whose lock could not be extended, on any thread; null throws at the
    /// first.</param>
    /// <returns>The earliest end of those that were extended; null when there was none.</returns>
    internal static async Task<DateTime?> ExtendAsync(IObjectLock locks, IReadOnlyCollection<string> names,
        DateTime until, Action<string, NataliaException>? onFailure, CancellationToken cancellationToken)
    {
        DateTime?[] dates = await InParallel.SelectAsync<string, DateTime?>(names, RequestsAtOnce, async name =>
        {
            try
            {
                return await locks.ExtendAsync(name, until, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException failure) when (onFailure is not null)
            {
                onFailure(name, failure);
                return null;
            }
        }, cancellationToken).ConfigureAwait(false);
        return dates.Min();
    }
}
