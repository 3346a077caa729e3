using Amazon.S3.Model;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// An object's bytes as they arrive. A connection that breaks or stands still is a store error; one that ends early is
/// not the end of the object.
/// </summary>
internal sealed class ObjectReadStream(S3Requests requests, string name, GetObjectResponse response) : ReadOnlyStream
{
    private readonly SlowGuard _slow = new(requests.Clock);
    private long _position;

    public override long Length => response.ContentLength;
    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        FetchAsync(buffer.AsMemory(offset, count), cancellationToken);

#if NET8_0_OR_GREATER
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(FetchAsync(buffer, cancellationToken));
#endif

    protected override void Dispose(bool disposing)
    {
        if (disposing) response.Dispose();
        base.Dispose(disposing);
    }

    private async Task<int> FetchAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using StallGuard guard = requests.Guard(cancellationToken);
        int read = await requests.TranslatedAsync(name, S3Call.Get, guard, async () =>
        {
            int count = await new ResponseStream(response.ResponseStream, guard, _slow,
                requests.Meter).ReadAsync(buffer, guard.Token).ConfigureAwait(false);
            if (count == 0 && buffer.Length > 0 && _position < response.ContentLength)
                throw new IOException($"Only {_position} of {response.ContentLength} bytes arrived.");
            return count;
        }).ConfigureAwait(false);
        _position += read;
        return read;
    }
}
