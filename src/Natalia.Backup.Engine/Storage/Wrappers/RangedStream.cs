namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>An object's bytes from an offset on, fetched by ranged reads.</summary>
internal sealed class RangedStream(IObjectStore store, string name, long position) : ReadOnlyStream
{
    private readonly byte[] _buffer = new byte[4 << 20];
    private int _start, _end;

    public override long Position { get => position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override async Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        if (_start == _end)
        {
            _start = _end = 0;
            _end = await store.ReadAsync(name, position, _buffer, cancellationToken).ConfigureAwait(false);
        }
        int copied = Math.Min(count, _end - _start);
        Array.Copy(_buffer, _start, buffer, offset, copied);
        _start += copied;
        position += copied;
        return copied;
    }
}
