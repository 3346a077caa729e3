namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>A file's bytes in order, whose failures are store errors like those of every other call.</summary>
internal sealed class FolderReadStream(ObjectFile file, string path) : ReadOnlyStream
{
    private long _position;

    public override long Length => file.Length;
    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count)
    {
        try
        {
            int read = file.Read(_position, buffer.AsSpan(offset, count));
            _position += read;
            return read;
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, path, writing: false);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        Task.Run(() => Read(buffer, offset, count), cancellationToken);

#if NET8_0_OR_GREATER
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer,
        CancellationToken cancellationToken = default) =>
        await Task.Run(() =>
    {
        try
        {
            int read = file.Read(_position, buffer.Span);
            _position += read;
            return read;
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, path, writing: false);
        }
    }, cancellationToken).ConfigureAwait(false);
#endif

    protected override void Dispose(bool disposing)
    {
        if (disposing) file.Dispose();
        base.Dispose(disposing);
    }
}
