namespace Natalia.Backup.Serving.Network;

/// <summary>
/// How much of a connection's requests may be at work at once, in bytes: a client that asks faster than it takes the
/// answers waits, and takes no memory from the others. Thread-safe; who waits is served in turn.
/// </summary>
internal sealed class Room(int units, int unitBytes) : IDisposable
{
    private readonly SemaphoreSlim _units = new(units, units);

    /// <summary>Two that take part by part would wait for each other.</summary>
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Takes room for some bytes; for more than there is, all of it.</summary>
    /// <returns>What to give back.</returns>
    internal async Task<int> TakeAsync(int bytes, CancellationToken cancellationToken)
    {
        int wanted = Math.Min(units, Math.Max(1, (bytes + unitBytes - 1) / unitBytes));
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        int taken = 0;
        try
        {
            for (; taken < wanted; taken++) await _units.WaitAsync(cancellationToken).ConfigureAwait(false);
            return wanted;
        }
        catch
        {
            if (taken > 0) _units.Release(taken);
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    internal void Give(int taken) => _units.Release(taken);

    public void Dispose()
    {
        _units.Dispose();
        _turn.Dispose();
    }
}
