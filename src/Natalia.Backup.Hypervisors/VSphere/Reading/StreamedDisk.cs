using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks.Vmdk;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>
/// A disk that arrives as a stream-optimised VMDK: one pass, one grain in memory. What no grain covers is believed to
/// be zeros only when a later grain, or the marked end, was seen. Reading goes forward; going back begins the stream
/// anew.
/// </summary>
/// <param name="open">Begins the stream.</param>
/// <param name="name">What it is called, for errors.</param>
/// <param name="sizeBytes">The disk's size in bytes.</param>
internal sealed class StreamedDisk(Func<CancellationToken, Task<Stream>> open, string name, long sizeBytes)
    : IDiskBytes, IDisposable
{
    private const int MostBeginnings = 3;

    private readonly SemaphoreSlim _gate = new(1, 1);
    private VmdkStreamReader? _reader;
    private (long Offset, ReadOnlyMemory<byte> Bytes)? _grain;
    private bool _isOver, _isClosed;
    private int _beginnings;

    /// <summary>Below this nothing can be given any more.</summary>
    private long _from;

    /// <summary>Behind this every grain of the stream must lie.</summary>
    private long _grainEnd;

    /// <summary>How far into the disk the stream has come, in bytes.</summary>
    internal long Position => Interlocked.Read(ref _grainEnd);

    /// <summary>Begins the stream, so that what is in the way shows at once.</summary>
    internal Task OpenAsync(CancellationToken cancellationToken) =>
        ReadAsync(0, Memory<byte>.Empty, cancellationToken).AsTask();

    /// <inheritdoc/>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isClosed) throw new InvalidOperationException("Nothing can be read of a sealed state.");
            if (_reader is null || offset < _from) await BeginAsync(cancellationToken).ConfigureAwait(false);
            await FillAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
            _from = offset + buffer.Length;
        }
        catch (Exception e) when (e is IOException or HttpRequestException
            || (e is NataliaException { ErrorId: ErrorIds.DiskImageInvalid or ErrorIds.DiskFormatNotSupported }))
        {
            long position = Position;
            End();
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
                $"The export of '{name}' broke off at byte {position} of the disk: {e.Message}", name,
                "What was stored until then stays. Run the backup again: it goes on from there.", e);
        }
        catch
        {
            // Cancelled in the middle of a grain: what comes after it would be of nobody knows where.
            End();
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Ends the stream; nothing is read afterwards.</summary>
    public void Dispose()
    {
        _isClosed = true;
        End();
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        End();
        if (++_beginnings > MostBeginnings)
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
                $"The export of '{name}' was begun {MostBeginnings} times, and still something before what had "
                + "passed was asked for.", name);
        Stream stream = await open(cancellationToken).ConfigureAwait(false);
        VmdkStreamReader reader;
        try
        {
            reader = await VmdkStreamReader.OpenAsync(stream, name, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
        if (reader.SizeBytes != sizeBytes)
        {
            long found = reader.SizeBytes;
            reader.Dispose();
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.InvalidData,
                $"The export of '{name}' is of a disk of {found} bytes, and the disk has {sizeBytes}.", name,
                "See what changed the VM at that moment, and run the backup again.");
        }
        _reader = reader;
    }

    private async Task FillAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        buffer.Span.Clear();
        long end = offset + buffer.Length;
        while (true)
        {
            if (_grain is null && !_isOver) await NextAsync(cancellationToken).ConfigureAwait(false);
            if (_grain is not (long at, ReadOnlyMemory<byte> bytes) || at >= end) return;
            long from = Math.Max(at, offset), to = Math.Min(at + bytes.Length, end);
            if (from < to)
                bytes.Slice((int)(from - at), (int)(to - from)).CopyTo(buffer.Slice((int)(from - offset)));
            if (at + bytes.Length > end) return;
            _grain = null;
        }
    }

    private async Task NextAsync(CancellationToken cancellationToken)
    {
        _grain = await _reader!.ReadNextAsync(cancellationToken).ConfigureAwait(false);
        _isOver = _grain is null;
        if (_grain is not (long at, ReadOnlyMemory<byte> bytes)) return;
        if (at < _grainEnd)
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.InvalidData,
                $"The export of '{name}' is in no order: byte {at} of the disk comes after byte {_grainEnd}.", name);
        Interlocked.Exchange(ref _grainEnd, at + bytes.Length);
    }

    private void End()
    {
        _reader?.Dispose();
        _reader = null;
        _grain = null;
        _isOver = false;
        _from = 0;
        Interlocked.Exchange(ref _grainEnd, 0);
    }
}
