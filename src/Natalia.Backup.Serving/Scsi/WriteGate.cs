namespace Natalia.Backup.Serving.Scsi;

/// <summary>Lets writes run beside each other, and COMPARE AND WRITE alone: nothing may come between its
/// parts.</summary>
internal sealed class WriteGate
{
    private const int Places = 64;

    private readonly SemaphoreSlim _places = new(Places, Places);
    private readonly SemaphoreSlim _alone = new(1, 1);

    internal async Task<IDisposable> BesideAsync(CancellationToken cancellationToken)
    {
        // Not past one that waits to be alone.
        await _alone.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _alone.Release();
        }
        return new Leave(() => _places.Release());
    }

    internal async Task<IDisposable> AloneAsync(CancellationToken cancellationToken)
    {
        await _alone.WaitAsync(cancellationToken).ConfigureAwait(false);
        int taken = 0;
        try
        {
            for (; taken < Places; taken++) await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            if (taken > 0) _places.Release(taken);
            _alone.Release();
            throw;
        }
        return new Leave(() =>
        {
            _places.Release(Places);
            _alone.Release();
        });
    }

    private sealed class Leave(Action leave) : IDisposable
    {
        public void Dispose() => leave();
    }
}
