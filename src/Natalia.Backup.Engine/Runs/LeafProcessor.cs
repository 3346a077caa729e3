using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Runs;

/// <summary>Reads leaves from a disk, compares and stores them.</summary>
internal sealed class LeafProcessor(IDiskSource source, MapReader? parent, PackWriter data,
    Func<Reference, bool> isUsable, byte[] buffer, ChangeAudit? audit = null)
    : ILeafProcessor
{
    private static readonly IReadOnlyList<Reference> s_none = [];
    private readonly PackWriter.Worker _data = data.NewWorker();

    public async Task<LeafResult> ProcessAsync(LeafWork work, CancellationToken cancellationToken)
    {
        (Reference Reference, MapNode Node)? old = parent is null
            ? null
            : await parent.FindLeafAsync(work.Leaf, _data.Codec, cancellationToken).ConfigureAwait(false);
        long firstBlock = work.Leaf << BlockGeometry.FanOutBits;
        long readBytes = await ReadAsync(work.Read, firstBlock, cancellationToken).ConfigureAwait(false);
        var content = new MapNode(0);
        List<Reference>? dead = null;
        bool changed = false;
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            Reference? before = old?.Node[slot];
            Reference? after = null;
            if (work.Read[slot])
            {
                int length = BlockGeometry.BlockLength(source.SizeBytes, firstBlock + slot);
                after = await StoreAsync(buffer.AsMemory(slot * BlockGeometry.BlockBytes, length), before,
                    cancellationToken).ConfigureAwait(false);
            }
            else if (work.KeepOthers)
            {
                after = before;
            }
            content.Set(slot, after);
            if (ReferenceEquals(before, after)) continue;
            changed = true;
            // A block that is stored again because its old copy may be lost has the content that it had.
            if (work.Read[slot] && before?.Hash != after?.Hash) audit?.Differs(work.Leaf, slot);
            if (before is not null) (dead ??= []).Add(before);
        }
        return new LeafResult(work.Leaf, changed ? content : null, old?.Reference, dead ?? s_none, readBytes);
    }

    private async ValueTask<Reference?> StoreAsync(ReadOnlyMemory<byte> block, Reference? before,
        CancellationToken cancellationToken)
    {
        if (ZeroTest.IsZero(block.Span)) return null;
        Hash256 hash = Hash256.Of(block.Span);
        if (before is not null && before.Hash == hash && isUsable(before)) return before;
        Placement placement = await _data.AddAsync(block, cancellationToken).ConfigureAwait(false);
        return new Reference(data.Run, placement.Pack, placement.Ordinal, hash);
    }

    /// <summary>Fills the buffer with every block of the mask, neighbours in one read.</summary>
    private async ValueTask<long> ReadAsync(BlockMask mask, long firstBlock, CancellationToken cancellationToken)
    {
        long total = 0;
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (!mask[slot]) continue;
            int first = slot;
            while (slot + 1 < BlockGeometry.FanOut && mask[slot + 1]) slot++;
            long offset = (firstBlock + first) * BlockGeometry.BlockBytes;
            int length = (int)(Math.Min((firstBlock + slot + 1) * BlockGeometry.BlockBytes, source.SizeBytes) - offset);
            await source.ReadAsync(offset, buffer.AsMemory(first * BlockGeometry.BlockBytes, length),
                cancellationToken).ConfigureAwait(false);
            total += length;
        }
        return total;
    }

    public void Dispose() => _data.Dispose();
}
