namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>
/// An object's bytes in order; when the connection breaks, it is opened again and read up to where it stood.
/// </summary>
internal sealed class RetryStream(RetryStore store, string name, Stream first) : ReadOnlyStream
{
    private Stream? _stream = first;
    private long _position;

    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        store.RetryAsync(async attempt =>
    {
        if (attempt > 1 || _stream is null) await OpenAgainAsync(cancellationToken).ConfigureAwait(false);
#pragma warning disable CA1835 // The array overload is the one that both frameworks have.
        int read = await _stream!.ReadAsync(buffer, offset, count, cancellationToken).ConfigureAwait(false);
#pragma warning restore CA1835
        _position += read;
        return read;
    }, cancellationToken);

    protected override void Dispose(bool disposing)
    {
        if (disposing) _stream?.Dispose();
        base.Dispose(disposing);
    }

    // From the next byte on by ranged reads: nothing is fetched twice.
    private Task OpenAgainAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _stream?.Dispose();
        _stream = new RangedStream(store.Inner, name, _position);
        return Task.CompletedTask;
    }
}
