using Amazon.S3.Model;

namespace Natalia.Backup.Storage.S3;

/// <summary>An object's bytes as they arrive. A connection that breaks or stands still is a store error; one that ends early is not the end of the object.</summary>
internal sealed class ObjectReadStream(S3Store store, string name, GetObjectResponse response) : Stream
{
    private readonly SlowGuard _slow = new(store.Clock);
    private long _position;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => response.ContentLength;
    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => FetchAsync(buffer.AsMemory(offset, count), cancellationToken);

#if NET8_0_OR_GREATER
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(FetchAsync(buffer, cancellationToken));
#endif

    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) response.Dispose();
        base.Dispose(disposing);
    }

    private async Task<int> FetchAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var guard = new StallGuard(store.StallTimeout, store.Clock, cancellationToken);
        int read = await store.TranslatedAsync(name, S3Call.Get, guard, async () =>
        {
            int count = await new ResponseStream(response.ResponseStream, guard, _slow, store.Meter).ReadAsync(buffer, guard.Token).ConfigureAwait(false);
            if (count == 0 && buffer.Length > 0 && _position < response.ContentLength) throw new IOException($"Only {_position} of {response.ContentLength} bytes arrived.");
            return count;
        }).ConfigureAwait(false);
        _position += read;
        return read;
    }
}
