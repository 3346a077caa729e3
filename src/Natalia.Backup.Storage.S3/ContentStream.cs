using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// The pieces of a content as one stream that can be rewound, without copying them together. Tells whenever some were
/// taken.
/// </summary>
internal sealed class ContentStream(ObjectContent content, StallGuard guard, SlowGuard slow) : ReadOnlyStream
{
    private long _position;
    private int _part;
    private int _offset;
    private int _taken;

    public override bool CanSeek => true;
    public override long Length => content.Length;
    public override long Position { get => _position; set => Seek(value, SeekOrigin.Begin); }

    public override int Read(byte[] buffer, int offset, int count) => Copy(buffer.AsSpan(offset, count));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested
            ? Task.FromCanceled<int>(cancellationToken)
            : Task.FromResult(Copy(buffer.AsSpan(offset, count)));

#if NET8_0_OR_GREATER
    public override int Read(Span<byte> buffer) => Copy(buffer);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<int>(cancellationToken)
            : new ValueTask<int>(Copy(buffer.Span));
#endif

    public override long Seek(long offset, SeekOrigin origin)
    {
        long target = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => _position + offset,
            _ => Length + offset
        };
        if (target < 0 || target > Length) throw new IOException("The position lies outside of the content.");
        _position = target;
        _taken = 0;
        for (_part = 0; _part < content.Parts.Count && target >= content.Parts[_part].Length; _part++)
            target -= content.Parts[_part].Length;
        _offset = (int)target;
        return _position;
    }

    private int Copy(Span<byte> target)
    {
        guard.Touch();
        // What was taken the last time has been sent by now.
        if (_taken > 0) slow.Add(_taken);
        int copied = 0;
        while (copied < target.Length && _part < content.Parts.Count)
        {
            ReadOnlyMemory<byte> part = content.Parts[_part];
            int count = Math.Min(target.Length - copied, part.Length - _offset);
            if (count > 0) part.Slice(_offset, count).Span.CopyTo(target.Slice(copied));
            copied += count;
            _offset += count;
            if (_offset < part.Length) continue;
            _part++;
            _offset = 0;
        }
        _position += copied;
        _taken = copied;
        slow.Start();
        return copied;
    }
}
