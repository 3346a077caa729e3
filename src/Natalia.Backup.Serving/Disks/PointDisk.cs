using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Restore;

namespace Natalia.Backup.Serving.Disks;

/// <summary>
/// A restore point's disk, read-only. Blocks that were read last are remembered; where reads follow each other, what
/// comes next is read before it is asked for. Its memory is bounded whatever the disk's size.
/// </summary>
public sealed class PointDisk : IServedDisk
{
    /// <summary>How many bytes of blocks are remembered by default.</summary>
    public const long DefaultCacheBytes = 32 << 20;

    private const int BlockBytes = PointDiskReader.BlockBytes, LeafBlocks = PointDiskReader.LeafBlocks;

    /// <summary>So many blocks are read by one request at most: 512 KiB.</summary>
    private const int BlocksAtOnce = 8;

    /// <summary>So many pieces are worked on at once; with the blocks that they pin they fit into the cache.</summary>
    private const int PiecesAtOnce = 48;

    private const int AheadAtOnce = 4;

    private readonly PointDiskReader _reader;
    private readonly BlockCache _cache;
    private readonly StreamFinder _streams = new();
    private readonly SemaphoreSlim _pieces = new(PiecesAtOnce, PiecesAtOnce);
    private readonly SemaphoreSlim _ahead = new(AheadAtOnce, AheadAtOnce);
    private readonly CancellationTokenSource _closing = new();
    private readonly object _gate = new();
    private readonly TaskCompletionSource<bool> _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running;
    private bool _disposed;

    /// <param name="reader">The point's disk; belongs to this one from here on.</param>
    /// <param name="cacheBytes">How many bytes of blocks are remembered, 1 MiB or more.</param>
    public PointDisk(PointDiskReader reader, long cacheBytes = DefaultCacheBytes)
    {
        if (cacheBytes < 1 << 20) throw new ArgumentOutOfRangeException(nameof(cacheBytes));
        _reader = reader;
        _cache = new BlockCache((int)Math.Min(cacheBytes / BlockBytes, 1 << 20), BlockBytes);
    }

    /// <inheritdoc/>
    public long SizeBytes => _reader.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => true;

    /// <summary>How many blocks are remembered now.</summary>
    internal int CachedBlocks => _cache.Count;

    /// <inheritdoc/>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > SizeBytes - buffer.Length) throw new ArgumentOutOfRangeException(nameof(offset));
        if (buffer.IsEmpty) return;
        Enter();
        try
        {
            // Before anything is waited for: calls of one client come in their order here.
            (long from, long to) = _streams.See(offset, buffer.Length);
            if (from < to) ReadAhead(from, Math.Min(to, SizeBytes));
            while (!buffer.IsEmpty)
            {
                PointLeaf leaf = await LeafAsync(offset, cancellationToken).ConfigureAwait(false);
                // To the end of the zeros, or of as many blocks as are read at once.
                long end = leaf.IsZero
                    ? End(leaf.ZerosEnd)
                    : Math.Min(End(leaf.Number + 1), (offset / BlockBytes + BlocksAtOnce) * BlockBytes);
                int length = (int)Math.Min(buffer.Length, end - offset);
                if (leaf.IsZero) buffer.Span.Slice(0, length).Clear();
                else await ReadPieceAsync(leaf, offset, buffer.Slice(0, length),
                    cancellationToken).ConfigureAwait(false);
                offset += length;
                buffer = buffer.Slice(length);
            }
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        throw ReadOnly();

    /// <inheritdoc/>
    public ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken) =>
        throw ReadOnly();

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken) => default;

    /// <inheritdoc/>
    public async ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken)
    {
        Enter();
        try
        {
            limit = Math.Min(limit, SizeBytes - offset);
            PointLeaf leaf = await LeafAsync(offset, cancellationToken).ConfigureAwait(false);
            if (leaf.IsZero) return new DiskExtent(Math.Min(limit, End(leaf.ZerosEnd) - offset), true);
            long first = offset / BlockBytes;
            int slot = (int)(first % LeafBlocks), next = slot;
            bool isStored = leaf.IsStored(slot);
            while (next < LeafBlocks && leaf.IsStored(next) == isStored) next++;
            return new DiskExtent(Math.Min(limit, (first - slot + next) * BlockBytes - offset), !isStored);
        }
        finally
        {
            Leave();
        }
    }

    private async Task ReadPieceAsync(PointLeaf leaf, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        await _pieces.WaitAsync(cancellationToken).ConfigureAwait(false);
        var pinned = new List<BlockCache.Entry>(BlocksAtOnce);
        try
        {
            long first = offset / BlockBytes, last = (offset + buffer.Length - 1) / BlockBytes;
            List<BlockCache.Entry>? missing = null;
            for (long block = first; block <= last; block++)
            {
                if (!leaf.IsStored((int)(block % LeafBlocks))) continue;
                BlockCache.Entry entry = _cache.Pin(block, out bool isNew);
                pinned.Add(entry);
                if (isNew) (missing ??= []).Add(entry);
            }
            if (missing is not null) await LoadAsync(leaf, missing).ConfigureAwait(false);
            foreach (BlockCache.Entry entry in pinned) await entry.Loaded.ConfigureAwait(false);
            int next = 0;
            for (long block = first; block <= last; block++)
            {
                int from = (int)Math.Max(0, offset - block * BlockBytes);
                int to = (int)Math.Min(BlockBytes, offset + buffer.Length - block * BlockBytes);
                Span<byte> room = buffer.Span.Slice((int)(block * BlockBytes + from - offset), to - from);
                if (next < pinned.Count && pinned[next].Block == block)
                    pinned[next++].Bytes.AsSpan(from, to - from).CopyTo(room);
                else room.Clear();
            }
        }
        finally
        {
            foreach (BlockCache.Entry entry in pinned) _cache.Unpin(entry);
            _pieces.Release();
        }
    }

    /// <summary>
    /// Others may wait for the same blocks: they are loaded whether or not who asked first goes away. Never throws; the
    /// entries tell.
    /// </summary>
    private async Task LoadAsync(PointLeaf leaf, List<BlockCache.Entry> entries)
    {
        try
        {
            List<WantedBlock> wanted = entries.ConvertAll(e => new WantedBlock((int)(e.Block % LeafBlocks),
                e.Bytes.AsMemory(0, _reader.BlockLength(e.Block))));
            // Not on the caller's thread: it has the next requests of its client to take.
            await Task.Run(() => _reader.ReadAsync(leaf, wanted, _closing.Token)).ConfigureAwait(false);
            foreach (BlockCache.Entry entry in entries) entry.Complete();
        }
        catch (NataliaException failure) when (entries.Count > 1 && !IsOfStore(failure))
        {
            // One that is damaged must not keep those beside it from being had.
            foreach (BlockCache.Entry entry in entries) await LoadAsync(leaf, [entry]).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            foreach (BlockCache.Entry entry in entries) entry.Fail(failure);
        }
    }

    /// <summary>
    /// True for what would be said of each block beside it as well: asked for singly, a store that is away is waited
    /// for as often as there are blocks.
    /// </summary>
    private static bool IsOfStore(NataliaException failure) => failure.ErrorId is ErrorIds.StoreUnavailable
        or ErrorIds.StoreThrottled or ErrorIds.StoreAccessDenied or ErrorIds.StoreCredentialRefused
        or ErrorIds.StoreCertificateRefused;

    private void ReadAhead(long from, long to)
    {
        if (from >= to || !_ahead.Wait(0)) return;
        Enter();
        _ = Task.Run(async () =>
        {
            try
            {
                await ReadAheadAsync(from, to).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
            {
                // Who asks for it gets the error.
            }
            finally
            {
                _ahead.Release();
                Leave();
            }
        });
    }

    private async Task ReadAheadAsync(long from, long to)
    {
        while (from < to)
        {
            PointLeaf leaf = await LeafAsync(from, _closing.Token).ConfigureAwait(false);
            long end = Math.Min(to, End(leaf.IsZero ? leaf.ZerosEnd : leaf.Number + 1));
            for (long block = from / BlockBytes; !leaf.IsZero && block * BlockBytes < end;)
            {
                var missing = new List<BlockCache.Entry>(BlocksAtOnce);
                for (int i = 0; i < BlocksAtOnce && block * BlockBytes < end; i++, block++)
                {
                    if (leaf.IsStored((int)(block % LeafBlocks)) && _cache.PinAbsent(block) is BlockCache.Entry entry)
                        missing.Add(entry);
                }
                if (missing.Count == 0) continue;
                await LoadAsync(leaf, missing).ConfigureAwait(false);
                foreach (BlockCache.Entry entry in missing) _cache.Unpin(entry);
                _closing.Token.ThrowIfCancellationRequested();
            }
            from = end;
        }
    }

    private ValueTask<PointLeaf> LeafAsync(long offset, CancellationToken cancellationToken) =>
        _reader.GetLeafAsync(offset / BlockBytes / LeafBlocks, cancellationToken);

    /// <summary>Where a leaf begins, or the disk ends.</summary>
    private long End(long leaf) =>
        leaf > SizeBytes / BlockBytes / LeafBlocks ? SizeBytes : Math.Min(SizeBytes, leaf * LeafBlocks * BlockBytes);

    private void Enter()
    {
        lock (_gate)
        {
            if (_disposed) throw new ObjectDisposedException(nameof(PointDisk));
            _running++;
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_running == 0 && _disposed) _idle.TrySetResult(true);
        }
    }

    private NataliaException ReadOnly() => new(ErrorIds.ServedDiskReadOnly, NataliaErrorKind.InvalidOperation,
        $"The disk '{_reader.Disk.DiskId}' of a restore point is served read-only.", _reader.Disk.DiskId);

    /// <summary>Ends what is going on, and the use of the point.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            if (_running == 0) _idle.TrySetResult(true);
        }
        _closing.Cancel();
        // A store that does not answer must not keep who dismounts: what is still read goes nowhere.
        if (_idle.Task.Wait(TimeSpan.FromSeconds(10))) _reader.Dispose();
        else _ = _idle.Task.ContinueWith(_ => _reader.Dispose(), TaskScheduler.Default);
    }
}
