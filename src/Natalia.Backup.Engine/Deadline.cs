namespace Natalia.Backup.Engine;

/// <summary>
/// A token that is cancelled when a time is over by an injected clock, or when another token is. Disposing it ends the
/// clock's part in it.
/// </summary>
public sealed class Deadline : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly ITimer _timer;

    internal Deadline(TimeProvider clock, TimeSpan time, CancellationToken cancellationToken)
    {
        _source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _timer = clock.CreateTimer(_ => Cancel(), null, time, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The token.</summary>
    public CancellationToken Token => _source.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        _source.Dispose();
    }

    private void Cancel()
    {
        try
        {
            _source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It was over before its time.
        }
    }
}
