using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Restore;

/// <summary>Writes one disk of a point to a target.</summary>
/// <param name="core">The repository.</param>
/// <param name="applianceId">The appliance.</param>
/// <param name="disk">The disk.</param>
/// <param name="losses">Told of what cannot be had, and the rest is written all the same; null ends the export at the
/// first.</param>
/// <param name="progress">Told how far it is, or null.</param>
internal sealed class DiskExport(RepositoryCore core, string applianceId, ManifestDisk disk, LossCollector? losses,
    IProgress<OperationProgress>? progress)
{
    /// <summary>
    /// So many leaves are read at once for a target that takes them in order: it is slower than that many processors.
    /// </summary>
    private const int InOrder = 8;

    /// <exception cref="NataliaException"><c>BlockDamaged</c>, <c>BlockMapDamaged</c>, <c>PackMissing</c>, what the
    /// target throws.</exception>
    internal async Task ExecuteAsync(IDiskTarget target, string activity, CancellationToken cancellationToken)
    {
        PackReader packs = core.PackReader(applianceId);
        var map = new MapReader(packs, disk.Root);
        long total = disk.Root.Blocks * BlockGeometry.BlockBytes, done = 0;
        await target.BeginAsync(disk.SizeBytes, cancellationToken).ConfigureAwait(false);
        int workers = target.AcceptsAnyOrder ? core.LeavesAtOnce : Math.Min(core.LeavesAtOnce, InOrder);
        // Some leaves more than are read: they are written meanwhile.
        using var writer = new LeafWriter(target, disk.SizeBytes, workers + 1 + (workers + 3) / 4);
        var readers = new List<LeafReader>();
        IAsyncEnumerator<(long Leaf, Reference Reference)> leaves = map.EnumerateLeavesAsync(cancellationToken,
            losses is null ? null : losses.AddNode)
            .GetAsyncEnumerator(cancellationToken);
        try
        {
            for (int i = 0; i < workers; i++) readers.Add(new LeafReader(packs));
            await OrderedPipeline.RunAsync(readers,
                async stop =>
                {
                    // The room first, in the order of the leaves: the next one to be written never waits for it.
                    LeafBuffer buffer = await writer.RentAsync(stop).ConfigureAwait(false);
                    return await leaves.MoveNextAsync().ConfigureAwait(false)
                        ? (true, (leaves.Current.Leaf, leaves.Current.Reference, Buffer: buffer))
                        : (false, default);
                },
                async (reader, next, stop) =>
                {
                    ReadLeaf read = await ReadAsync(reader, map, next.Leaf, next.Reference, next.Buffer,
                        stop).ConfigureAwait(false);
                    return (Leaf: read, Writing: target.AcceptsAnyOrder ? Write(read, stop) : null);
                },
                async (read, stop) =>
                {
                    await (read.Writing ?? Write(read.Leaf, stop)).ConfigureAwait(false);
                    losses?.CountGood(read.Leaf.GoodBlocks);
                    done += read.Leaf.Bytes;
                    progress?.Report(new OperationProgress(activity, done, total));
                }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ObjectDamaged)
        {
            throw new NataliaException(ErrorIds.BlockDamaged, NataliaErrorKind.InvalidData,
                $"Disk '{disk.DiskId}' cannot be restored from this point: {damage.Message}", damage.Target,
                "Restore another point; Test-NataliaRestorePoint tells which ones are whole. What is left of this one "
                + "can be had with -AllowLoss.",
                damage);
        }
        finally
        {
            await writer.SettleAsync().ConfigureAwait(false);
            foreach (LeafReader reader in readers) reader.Dispose();
            await leaves.DisposeAsync().ConfigureAwait(false);
        }
        if (losses is { Good: 0 } && disk.Root.Blocks > 0)
            throw new NataliaException(ErrorIds.BlockDamaged, NataliaErrorKind.InvalidData,
                $"Nothing of disk '{disk.DiskId}' can be read from this point.", disk.DiskId,
                "Restore another point. Test-NataliaRestorePoint tells which ones are whole.");
        await target.CompleteAsync(cancellationToken).ConfigureAwait(false);

        Task Write(ReadLeaf read, CancellationToken stop) => writer.WriteAsync(read.Buffer, read.Leaf, read.Runs, stop);
    }

    private async Task<ReadLeaf> ReadAsync(LeafReader reader, MapReader map, long leaf, Reference reference,
        LeafBuffer buffer, CancellationToken cancellationToken)
    {
        MapNode node;
        try
        {
            node = await map.ReadAsync(reference, 0, reader.Codec, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (losses is not null && MapReader.IsDamage(damage))
        {
            losses.AddNode(0, leaf);
            return new ReadLeaf(buffer, leaf, 0, []);
        }
        var lost = new HashSet<Reference>();
        long bytes = await reader.ReadAsync(node, leaf, disk.SizeBytes, buffer,
            losses is null ? null : (block, _) => lost.Add(block), cancellationToken).ConfigureAwait(false);
        var runs = new List<(int First, int Last)>();
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is Reference block && lost.Contains(block))
                losses!.AddBlock((leaf << BlockGeometry.FanOutBits) + slot);
            if (!IsGood(slot)) continue;
            int first = slot;
            while (slot + 1 < BlockGeometry.FanOut && IsGood(slot + 1)) slot++;
            runs.Add((first, slot));
        }
        return new ReadLeaf(buffer, leaf, bytes, runs);

        bool IsGood(int slot) => node[slot] is Reference block && !lost.Contains(block);
    }

    /// <summary>A leaf that was read, and what of it is good.</summary>
    private sealed record ReadLeaf(LeafBuffer Buffer, long Leaf, long Bytes, IReadOnlyList<(int First, int Last)> Runs)
    {
        internal int GoodBlocks => Runs.Sum(r => r.Last - r.First + 1);
    }
}
