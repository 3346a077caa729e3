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
    /// <exception cref="NataliaException"><c>BlockDamaged</c>, <c>BlockMapDamaged</c>, <c>PackMissing</c>, what the
    /// target throws.</exception>
    internal async Task ExecuteAsync(IDiskTarget target, string activity, CancellationToken cancellationToken)
    {
        PackReader packs = core.PackReader(applianceId);
        var map = new MapReader(packs, disk.Root);
        long total = disk.Root.Blocks * BlockGeometry.BlockBytes, done = 0;
        await target.BeginAsync(disk.SizeBytes, cancellationToken).ConfigureAwait(false);
        int workers = target.AcceptsAnyOrder ? core.LeavesAtOnce : 1;
        var readers = new List<LeafReader>();
        IAsyncEnumerator<(long Leaf, Reference Reference)> leaves = map.EnumerateLeavesAsync(cancellationToken,
            losses is null ? null : losses.AddNode)
            .GetAsyncEnumerator(cancellationToken);
        try
        {
            for (int i = 0; i < workers; i++) readers.Add(new LeafReader(packs));
            await OrderedPipeline.RunAsync(readers,
                async _ => await leaves.MoveNextAsync().ConfigureAwait(false)
                    ? (true, leaves.Current)
                    : (false, default),
                async (reader, leaf, stop) => await CopyAsync(reader, map, leaf.Leaf, leaf.Reference, target,
                    stop).ConfigureAwait(false),
                (bytes, _) =>
                {
                    done += bytes;
                    progress?.Report(new OperationProgress(activity, done, total));
                    return Task.CompletedTask;
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
            foreach (LeafReader reader in readers) reader.Dispose();
            await leaves.DisposeAsync().ConfigureAwait(false);
        }
        if (losses is { Good: 0 } && disk.Root.Blocks > 0)
            throw new NataliaException(ErrorIds.BlockDamaged, NataliaErrorKind.InvalidData,
                $"Nothing of disk '{disk.DiskId}' can be read from this point.", disk.DiskId,
                "Restore another point. Test-NataliaRestorePoint tells which ones are whole.");
        await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<long> CopyAsync(LeafReader reader, MapReader map, long leaf, Reference reference,
        IDiskTarget target, CancellationToken cancellationToken)
    {
        MapNode node;
        try
        {
            node = await map.ReadAsync(reference, 0, reader.Codec, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (losses is not null && MapReader.IsDamage(damage))
        {
            losses.AddNode(0, leaf);
            return 0;
        }
        var lost = new HashSet<Reference>();
        long bytes = await reader.ReadAsync(node, leaf, disk.SizeBytes,
            losses is null ? null : (block, _) => lost.Add(block), cancellationToken).ConfigureAwait(false);
        int good = 0;
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is Reference block && lost.Contains(block))
                losses!.AddBlock((leaf << BlockGeometry.FanOutBits) + slot);
            if (!IsGood(slot)) continue;
            int first = slot;
            while (slot + 1 < BlockGeometry.FanOut && IsGood(slot + 1)) slot++;
            long offset = ((leaf << BlockGeometry.FanOutBits) + first) * BlockGeometry.BlockBytes;
            await target.WriteAsync(offset, reader.Block(first, slot, leaf, disk.SizeBytes),
                cancellationToken).ConfigureAwait(false);
            good += slot - first + 1;
        }
        losses?.CountGood(good);
        return bytes;

        bool IsGood(int slot) => node[slot] is Reference block && !lost.Contains(block);
    }
}
