using System.Buffers;
using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Disks;

namespace Natalia.Backup.Serving.Overlays;

/// <summary>
/// A disk that can be written although the one below cannot: what is written goes to a local file, and nothing else is
/// changed. See <see cref="Overlay"/> for what the file withstands.
/// </summary>
public sealed class OverlayDisk : IServedDisk
{
    private const int Block = Overlay.ClusterBytes, Sector = Overlay.SectorBytes, Gates = 256;

    private readonly IServedDisk _below;
    private readonly Overlay _overlay;
    private readonly bool _keep;

    /// <summary>
    /// A block that was written is read and written by one at a time: its cluster may be given up, and part of a sector
    /// needs what was there.
    /// </summary>
    private readonly SemaphoreSlim[] _gates = [.. Enumerable.Range(0, Gates).Select(_ => new SemaphoreSlim(1, 1))];

    private OverlayDisk(IServedDisk below, Overlay overlay, bool keep) =>
        (_below, _overlay, _keep) = (below, overlay, keep);

    /// <summary>Lays an overlay over a disk.</summary>
    /// <param name="below">The disk; belongs to the new one from here on, also when this fails.</param>
    /// <param name="identity">Whose the overlay is.</param>
    /// <param name="path">The file. One that is there is gone on with when it is to be kept, and refused else.</param>
    /// <param name="limitBytes">How large it may become, 1 MiB or more.</param>
    /// <param name="keep">False: it goes when the disk is disposed of, and when the process ends however that
    /// happens.</param>
    /// <exception cref="NataliaException"><c>OverlayMismatch</c>, <c>OverlayInvalid</c>, <c>OverlayInUse</c>,
    /// <c>OverlayFull</c>, <c>OverlayFailed</c>, <c>DestinationExists</c>.</exception>
    public static OverlayDisk Open(IServedDisk below, OverlayIdentity identity, string path, long limitBytes, bool keep)
    {
        try
        {
            return new OverlayDisk(below, Overlay.Open(path, identity, limitBytes, keep), keep);
        }
        catch
        {
            below.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public long SizeBytes => _below.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => false;

    /// <summary>How many bytes the overlay takes now.</summary>
    public long OverlayBytes => _overlay.TakenBytes;

    /// <inheritdoc/>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > SizeBytes - buffer.Length) throw new ArgumentOutOfRangeException(nameof(offset));
        while (!buffer.IsEmpty)
        {
            long block = offset / Block, end = (offset + buffer.Length + Block - 1) / Block;
            long written = _overlay.NextWritten(block, end);
            int length = written > block
                ? (int)Math.Min(buffer.Length, written * Block - offset)
                : (int)Math.Min(buffer.Length, (block + 1) * Block - offset);
            if (written > block)
                await _below.ReadAsync(offset, buffer.Slice(0, length), cancellationToken).ConfigureAwait(false);
            else await ReadWrittenAsync(offset, buffer.Slice(0, length), cancellationToken).ConfigureAwait(false);
            offset += length;
            buffer = buffer.Slice(length);
        }
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > SizeBytes - bytes.Length) throw new ArgumentOutOfRangeException(nameof(offset));
        while (!bytes.IsEmpty)
        {
            int length = (int)Math.Min(bytes.Length, (offset / Block + 1) * Block - offset);
            SemaphoreSlim gate = await EnterAsync(offset / Block, cancellationToken).ConfigureAwait(false);
            try
            {
                await WriteInBlockAsync(offset, bytes.Slice(0, length), cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                gate.Release();
            }
            offset += length;
            bytes = bytes.Slice(length);
        }
        if (_overlay.NeedsFlush) await _overlay.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken)
    {
        if (offset < 0 || length < 0 || offset > SizeBytes - length)
            throw new ArgumentOutOfRangeException(nameof(offset));
        long end = offset + length;
        long first = (offset + Block - 1) / Block, last = end == SizeBytes ? (end + Block - 1) / Block : end / Block;
        if (first >= last || !await ZeroBlocksAsync(first, last - first, cancellationToken).ConfigureAwait(false))
        {
            await FillAsync(offset, length, cancellationToken).ConfigureAwait(false);
            return;
        }
        await FillAsync(offset, first * Block - offset, cancellationToken).ConfigureAwait(false);
        await FillAsync(last * Block, end - last * Block, cancellationToken).ConfigureAwait(false);
        if (_overlay.NeedsFlush) await _overlay.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask FlushAsync(CancellationToken cancellationToken) =>
        await _overlay.FlushAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken)
    {
        limit = Math.Min(limit, SizeBytes - offset);
        long block = offset / Block, end = (offset + limit + Block - 1) / Block;
        long written = _overlay.NextWritten(block, end);
        if (written > block)
            return await _below.GetExtentAsync(offset, Math.Min(limit, written * Block - offset),
                cancellationToken).ConfigureAwait(false);
        long zeros = _overlay.ZerosEnd(block);
        return zeros > block
            ? new DiskExtent(Math.Min(limit, zeros * Block - offset), true)
            : new DiskExtent(Math.Min(limit, _overlay.WrittenEnd(block + 1, end) * Block - offset), false);
    }

    private async Task ReadWrittenAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        SemaphoreSlim gate = await EnterAsync(offset / Block, cancellationToken).ConfigureAwait(false);
        try
        {
            await ReadHeldAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Whole sectors as they are; of one that is written in part the rest is what was there.</summary>
    private async Task WriteInBlockAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        long block = offset / Block, start = block * Block;
        int from = (int)(offset - start), to = from + bytes.Length;
        int first = from / Sector * Sector;
        int last = (int)Math.Min((to + Sector - 1) / Sector * Sector, SizeBytes - start);
        if (first == from && last == to)
        {
            _overlay.Write(block, from, bytes.Span);
            return;
        }
        byte[] room = ArrayPool<byte>.Shared.Rent(last - first);
        try
        {
            Memory<byte> whole = room.AsMemory(0, last - first);
            await ReadHeldAsync(start + first, whole, cancellationToken).ConfigureAwait(false);
            // One that was given up while the store was waited for is not done later.
            cancellationToken.ThrowIfCancellationRequested();
            bytes.CopyTo(whole.Slice(from - first));
            _overlay.Write(block, first, whole.Span);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(room);
        }
    }

    /// <summary>Reads within a block whose gate is held.</summary>
    private async Task ReadHeldAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        long block = offset / Block;
        if (_overlay.Find(block, out bool isZero) is not Overlay.Place place)
        {
            if (isZero) buffer.Span.Clear();
            else await _below.ReadAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
            return;
        }
        int within = (int)(offset - block * Block);
        // Stretches of sectors that lie in one of the two.
        for (int at = 0; at < buffer.Length;)
        {
            int sector = (within + at) / Sector;
            bool isHere = (place.Mask >> sector & 1) != 0;
            while (sector < Overlay.SectorsInCluster && (place.Mask >> sector & 1) != 0 == isHere) sector++;
            Memory<byte> part = buffer.Slice(at, Math.Min(buffer.Length, sector * Sector - within) - at);
            if (isHere) _overlay.Read(place, within + at, part.Span);
            else await _below.ReadAsync(offset + at, part, cancellationToken).ConfigureAwait(false);
            at += part.Length;
        }
    }

    private async Task<bool> ZeroBlocksAsync(long first, long count, CancellationToken cancellationToken)
    {
        // Those that were written give up their clusters: nobody may be reading them then. One that is being written
        // for the first time must see that the rest of it is zeros. Gates in order, each once.
        int[] gates = [.. Enumerable.Range(0, (int)Math.Min(count, Gates)).Select(i => (int)((first + i) % Gates))
            .OrderBy(g => g)];
        int entered = 0;
        try
        {
            for (; entered < gates.Length; entered++)
                await _gates[gates[entered]].WaitAsync(cancellationToken).ConfigureAwait(false);
            return _overlay.Zero(first, count);
        }
        finally
        {
            while (entered-- > 0) _gates[gates[entered]].Release();
        }
    }

    private async Task FillAsync(long offset, long length, CancellationToken cancellationToken)
    {
        if (length <= 0) return;
        var zeros = new byte[(int)Math.Min(length, Block)];
        while (length > 0)
        {
            int part = (int)Math.Min(length, zeros.Length);
            await WriteAsync(offset, zeros.AsMemory(0, part), cancellationToken).ConfigureAwait(false);
            offset += part;
            length -= part;
        }
    }

    private async Task<SemaphoreSlim> EnterAsync(long block, CancellationToken cancellationToken)
    {
        SemaphoreSlim gate = _gates[block % Gates];
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        return gate;
    }

    /// <summary>Makes a kept overlay durable and closes it; one that is not kept is gone then.</summary>
    public void Dispose()
    {
        try
        {
            // Bounded: a flush is one call of the system. What fails here was told to no client as durable.
            HasLost = _keep
                && !Task.Run(() => _overlay.FlushAsync(CancellationToken.None)).Wait(TimeSpan.FromSeconds(30));
        }
        catch (AggregateException)
        {
            HasLost = true;
        }
        finally
        {
            _overlay.Dispose();
            _below.Dispose();
        }
    }

    /// <summary>True when a kept overlay could not be made durable when it was closed.</summary>
    public bool HasLost { get; private set; }
}
