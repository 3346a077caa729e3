namespace Natalia.Backup.Serving.Network;

/// <summary>Sends whole messages to a peer, one after another, whoever sends them. Thread-safe.</summary>
internal sealed class PeerWriter(Stream stream) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    internal async Task WriteAsync(byte[] bytes, int length, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await stream.WriteAsync(bytes, 0, length, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    internal Task WriteAsync(byte[] bytes, CancellationToken cancellationToken) =>
        WriteAsync(bytes, bytes.Length, cancellationToken);

    /// <summary>Sends several messages that nothing may come between.</summary>
    internal async Task TogetherAsync(Func<Stream, Task> writeAsync, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await writeAsync(stream).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();
}
