using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>Does something at intervals as long as anybody holds it. Any thread.</summary>
internal sealed class KeepAliveClock(TimeProvider clock, TimeSpan interval, Func<CancellationToken, Task> deed)
    : IDisposable
{
    private readonly object _gate = new();
    private CancellationTokenSource? _running;
    private int _holders;

    internal IDisposable Hold()
    {
        lock (_gate)
        {
            if (_holders++ == 0)
            {
                _running = new CancellationTokenSource();
                _ = RunAsync(_running.Token);
            }
        }
        return new Holder(this);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _running?.Cancel();
            _running = null;
        }
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await clock.WaitAsync(interval, cancellationToken).ConfigureAwait(false);
                try
                {
                    await deed(cancellationToken).ConfigureAwait(false);
                }
                catch (NataliaException)
                {
                    // Whoever needs the session next is told, or renews it.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody holds it any more.
        }
    }

    private void Release()
    {
        lock (_gate)
        {
            if (--_holders > 0) return;
            _running?.Cancel();
            _running = null;
        }
    }

    private sealed class Holder(KeepAliveClock owner) : IDisposable
    {
        private int _released;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _released, 1) == 0) owner.Release();
        }
    }
}
