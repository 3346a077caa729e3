using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>
/// Reads lines from a peer that may say anything: no line takes more memory than the limit. One reader at a time.
/// </summary>
/// <param name="stream">Where from.</param>
/// <param name="mostBytes">How long a line may be.</param>
/// <param name="peer">Who speaks, for errors.</param>
internal sealed class LineReader(Stream stream, int mostBytes, string peer)
{
    private byte[] _buffer = new byte[4096];
    private int _start, _end;

    /// <summary>The next line without its end; null at the end of the stream.</summary>
    /// <exception cref="NataliaException"><c>ServerAnswerInvalid</c>: it is longer than the limit.</exception>
    /// <exception cref="IOException">The stream broke off.</exception>
    internal async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        int searched = 0;
        while (true)
        {
            int at = Array.IndexOf(_buffer, (byte)'\n', _start + searched, _end - _start - searched);
            if (at >= 0)
            {
                byte[] line = _buffer.AsSpan(_start, at - _start).ToArray();
                _start = at + 1;
                return line;
            }
            searched = _end - _start;
            if (searched > mostBytes) throw TooLong();
            if (_start > 0)
            {
                Buffer.BlockCopy(_buffer, _start, _buffer, 0, searched);
                (_start, _end) = (0, searched);
            }
            if (_end == _buffer.Length) Array.Resize(ref _buffer, Math.Min(_buffer.Length * 2, mostBytes + 4096));
            int read = await stream.ReadAsync(_buffer, _end, _buffer.Length - _end, cancellationToken)
                .ConfigureAwait(false);
            if (read == 0) return null;
            _end += read;
        }
    }

    private NataliaException TooLong() => new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
        $"{peer} sent a line of more than {mostBytes} bytes, which no answer has.", peer);
}
