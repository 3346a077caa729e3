namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>Counts the bytes that are read through it.</summary>
internal sealed class CountingStream(Stream inner, StoreMeter meter) : ReadOnlyStream
{
    public override long Length => inner.Length;
    public override long Position { get => inner.Position; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Counted(inner.Read(buffer, offset, count));

#pragma warning disable CA1835 // The array overload is the one that both frameworks have.
    public override async Task<int> ReadAsync(byte[] buffer, int offset, int count,
        CancellationToken cancellationToken) =>
        Counted(await inner.ReadAsync(buffer, offset, count, cancellationToken).ConfigureAwait(false));
#pragma warning restore CA1835

#if NET8_0_OR_GREATER
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer,
        CancellationToken cancellationToken = default) =>
        Counted(await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false));
#endif

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }

    private int Counted(int count)
    {
        meter.ReadBytes(count);
        return count;
    }
}
