using System.Buffers;
using System.Collections.Concurrent;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Restore;

/// <summary>
/// Reads a point's disk at any place, block by block: nothing is read but what is asked for, and every block is
/// compared with its SHA-256. All members may be called from any thread, while the repository is open. Remembers leaves
/// of the block map and tables of packs, at most some 64 MiB of them whatever the disk's size; blocks are for the
/// caller to remember. For as long as it is open the point counts as in use in this process.
/// </summary>
public sealed class PointDiskReader : IDisposable
{
    /// <summary>How many bytes a block has; the disk's last one may have fewer.</summary>
    public const int BlockBytes = BlockGeometry.BlockBytes;

    /// <summary>How many blocks a leaf has.</summary>
    public const int LeafBlocks = BlockGeometry.FanOut;

    /// <summary>A leaf takes some 11 KB.</summary>
    private const int RememberedLeaves = 1024;

    /// <summary>A line of a pack's table takes 24 bytes.</summary>
    private const int RememberedSegments = 1 << 20;

    private readonly PackReader _packs;
    private readonly MapReader _map;
    private readonly IDisposable _use;
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentBag<Worker> _workers = [];
    private readonly ConcurrentDictionary<long, Task<PointLeaf>> _leaves = new();

    internal PointDiskReader(RepositoryCore core, string applianceId, string restorePointId, ManifestDisk disk)
    {
        Disk = PointDescriber.Describe(disk);
        _packs = core.PackReader(applianceId, RememberedSegments);
        _map = new MapReader(_packs, disk.Root);
        _use = PointsInUse.Enter(core.RepositoryId, restorePointId);
    }

    /// <summary>The disk.</summary>
    public RestorePointDisk Disk { get; }

    /// <summary>The disk's size in bytes.</summary>
    public long SizeBytes => Disk.SizeBytes;

    /// <summary>How many bytes a block has.</summary>
    /// <param name="block">Its number, inside the disk.</param>
    public int BlockLength(long block) => BlockGeometry.BlockLength(SizeBytes, block);

    /// <summary>Finds what is known of a leaf; asks the store only for what is not remembered.</summary>
    /// <param name="leaf">Its number, 0 or more.</param>
    /// <exception cref="NataliaException"><c>BlockMapDamaged</c>, <c>PackMissing</c>, a store error.</exception>
    public async ValueTask<PointLeaf> GetLeafAsync(long leaf, CancellationToken cancellationToken)
    {
        if (_leaves.Count > RememberedLeaves) _leaves.Clear();
        // Whoever waits for a leaf may go; the leaf is for all who wait.
        Task<PointLeaf> task = _leaves.GetOrAdd(leaf, n => LoadLeafAsync(n, _closing.Token));
        try
        {
            return task.IsCompleted
                ? await task.ConfigureAwait(false)
                : await WaitAsync(task, cancellationToken).ConfigureAwait(false);
        }
        catch when (task.IsFaulted || task.IsCanceled)
        {
            ((ICollection<KeyValuePair<long, Task<PointLeaf>>>)_leaves).Remove(new(leaf, task));
            throw;
        }
    }

    /// <summary>Reads blocks of a leaf; neighbours that lie together in one request.</summary>
    /// <param name="leaf">The leaf, as <see cref="GetLeafAsync"/> gave it.</param>
    /// <param name="wanted">The blocks, each with room for exactly its length; those that are not stored become
    /// zeros.</param>
    /// <exception cref="NataliaException"><c>BlockDamaged</c>, <c>PackMissing</c>, <c>ObjectArchived</c>, a store
    /// error.</exception>
    public async Task ReadAsync(PointLeaf leaf, IReadOnlyList<WantedBlock> wanted, CancellationToken cancellationToken)
    {
        var stored = new List<WantedBlock>(wanted.Count);
        foreach (WantedBlock block in wanted)
        {
            if (leaf.IsStored(block.Slot)) stored.Add(block);
            else block.Bytes.Span.Clear();
        }
        if (stored.Count == 0) return;
        Worker worker = _workers.TryTake(out Worker? idle) ? idle : new Worker();
        try
        {
            await WithNewestPacksAsync(async () =>
            {
                await ReadStoredAsync(worker, leaf.Node!, stored, cancellationToken).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ObjectDamaged)
        {
            throw new NataliaException(ErrorIds.BlockDamaged, NataliaErrorKind.InvalidData,
                $"A part of disk '{Disk.DiskId}' cannot be read from this point: {damage.Message}", damage.Target,
                "Serve or restore another point; Test-NataliaRestorePoint tells which ones are whole.", damage);
        }
        finally
        {
            _workers.Add(worker);
        }
    }

    private async Task<PointLeaf> LoadLeafAsync(long leaf, CancellationToken cancellationToken)
    {
        Worker worker = _workers.TryTake(out Worker? idle) ? idle : new Worker();
        try
        {
            (MapNode? node, long end) = await WithNewestPacksAsync(
                () => _map.ProbeLeafAsync(leaf, worker.Codec, cancellationToken)).ConfigureAwait(false);
            return new PointLeaf(leaf, node, end);
        }
        finally
        {
            _workers.Add(worker);
        }
    }

    /// <summary>
    /// An optimization may have rewritten a pack under another name since its table was read: then everything that is
    /// remembered of packs is looked up again, once.
    /// </summary>
    private async Task<T> WithNewestPacksAsync<T>(Func<Task<T>> readAsync)
    {
        try
        {
            return await readAsync().ConfigureAwait(false);
        }
        catch (NataliaException gone) when (gone.ErrorId is ErrorIds.ObjectNotFound or ErrorIds.PackMissing)
        {
            _packs.Forget();
            return await readAsync().ConfigureAwait(false);
        }
    }

    private async Task ReadStoredAsync(Worker worker, MapNode node, List<WantedBlock> wanted,
        CancellationToken cancellationToken)
    {
        foreach (IGrouping<(Run Run, int Pack), WantedBlock> pack in wanted.GroupBy(w => Place(node[w.Slot]!)))
        {
            PackDirectory directory = await _packs.GetDirectoryAsync(PackArea.Data, pack.Key.Run, pack.Key.Pack,
                cancellationToken).ConfigureAwait(false);
            var rooms = new Dictionary<int, Memory<byte>>();
            var blocks = new List<StoredBlock>();
            foreach (WantedBlock block in pack)
            {
                Reference reference = node[block.Slot]!;
                (SegmentEntry entry, long offset) = directory.Find(reference.Ordinal)
                    ?? throw PackReader.NoSuchSegment(directory, reference);
                if (entry.PlainLength != block.Bytes.Length) throw PackReader.NoSuchSegment(directory, reference);
                rooms[block.Slot] = block.Bytes;
                blocks.Add(new StoredBlock(block.Slot, entry, offset));
            }
            SegmentCipher cipher = worker.CipherFor(_packs, directory);
            foreach (BlockRange range in BlockRange.Split(blocks))
            {
                byte[] bytes = ArrayPool<byte>.Shared.Rent(range.Length);
                try
                {
                    await _packs.ReadExactlyAsync(directory, range.Offset, bytes.AsMemory(0, range.Length),
                        cancellationToken).ConfigureAwait(false);
                    foreach ((int slot, SegmentEntry entry, long offset) in range.Blocks)
                        PackReader.Open(directory, entry, node[slot]!, cipher, worker.Codec,
                            bytes.AsSpan((int)(offset - range.Offset), entry.SealedLength), rooms[slot].Span);
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(bytes);
                }
            }
        }

        static (Run, int) Place(Reference reference) => (reference.Run, reference.Pack);
    }

    private static async Task<T> WaitAsync<T>(Task<T> task, CancellationToken cancellationToken)
    {
        var cancelled = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        using (cancellationToken.Register(() => cancelled.TrySetResult(true)))
        {
            if (await Task.WhenAny(task, cancelled.Task).ConfigureAwait(false) != task)
                throw new OperationCanceledException(cancellationToken);
        }
        return await task.ConfigureAwait(false);
    }

    /// <summary>Ends the use of the point. Nobody may be reading any more.</summary>
    public void Dispose()
    {
        _closing.Cancel();
        _use.Dispose();
        while (_workers.TryTake(out Worker? worker)) worker.Dispose();
        _leaves.Clear();
    }

    /// <summary>The memory of one reader, and the key of the pack that it read last.</summary>
    private sealed class Worker : IDisposable
    {
        private (PackDirectory Directory, SegmentCipher Cipher)? _cipher;

        internal SegmentCodec Codec { get; } = new();

        internal SegmentCipher CipherFor(PackReader packs, PackDirectory directory)
        {
            if (_cipher is var (known, cipher) && ReferenceEquals(known, directory)) return cipher;
            _cipher?.Cipher.Dispose();
            _cipher = null;
            cipher = packs.CipherFor(directory);
            _cipher = (directory, cipher);
            return cipher;
        }

        public void Dispose()
        {
            _cipher?.Cipher.Dispose();
            Codec.Dispose();
        }
    }
}
