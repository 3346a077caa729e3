namespace Natalia.Backup.Engine.Storage;

/// <summary>A file's bytes in order, whose failures are store errors like those of every other call.</summary>
internal sealed class FolderReadStream : Stream
{
    private readonly FileStream _file;
    private readonly string _path;

    internal FolderReadStream(FileStream file, string path)
    {
        _file = file;
        _path = path;
    }

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => _file.Length;
    public override long Position { get => _file.Position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count)
    {
        try { return _file.Read(buffer, offset, count); }
        catch (Exception error) when (FolderErrors.IsFileSystem(error)) { throw FolderErrors.Translate(error, _path, writing: false); }
    }

    public override async Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
#pragma warning disable CA1835 // The array overload is the one that both frameworks have.
        try { return await _file.ReadAsync(buffer, offset, count, cancellationToken).ConfigureAwait(false); }
#pragma warning restore CA1835
        catch (Exception error) when (FolderErrors.IsFileSystem(error)) { throw FolderErrors.Translate(error, _path, writing: false); }
    }

#if NET8_0_OR_GREATER
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try { return await _file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false); }
        catch (Exception error) when (FolderErrors.IsFileSystem(error)) { throw FolderErrors.Translate(error, _path, writing: false); }
    }
#endif

    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _file.Dispose();
        base.Dispose(disposing);
    }
}
