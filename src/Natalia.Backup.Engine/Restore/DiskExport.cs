using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Repositories;

namespace Natalia.Backup.Engine.Restore;

/// <summary>Writes one disk of a point to a target.</summary>
internal sealed class DiskExport(RepositoryCore core, string applianceId, ManifestDisk disk, IProgress<OperationProgress>? progress)
{
    /// <exception cref="NataliaException"><c>BlockDamaged</c>, <c>BlockMapDamaged</c>, <c>PackMissing</c>, what the target throws.</exception>
    internal async Task ExecuteAsync(IDiskTarget target, string activity, CancellationToken cancellationToken)
    {
        PackReader packs = core.PackReader(applianceId);
        var map = new MapReader(packs, disk.Root);
        long total = disk.Root.Blocks * BlockGeometry.BlockBytes, done = 0;
        await target.BeginAsync(disk.SizeBytes, cancellationToken).ConfigureAwait(false);
        int workers = target.AcceptsAnyOrder ? Math.Max(1, core.Options.Workers) : 1;
        var readers = new List<LeafReader>();
        IAsyncEnumerator<(long Leaf, Reference Reference)> leaves = map.EnumerateLeavesAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        try
        {
            for (int i = 0; i < workers; i++) readers.Add(new LeafReader(packs));
            await OrderedPipeline.RunAsync(readers,
                async _ => await leaves.MoveNextAsync().ConfigureAwait(false) ? (true, leaves.Current) : (false, default),
                async (reader, leaf, stop) => await CopyAsync(reader, map, leaf.Leaf, leaf.Reference, target, stop).ConfigureAwait(false),
                (bytes, _) =>
                {
                    done += bytes;
                    progress?.Report(new OperationProgress(activity, done, total));
                    return Task.CompletedTask;
                }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ObjectDamaged)
        {
            throw new NataliaException(ErrorIds.BlockDamaged, NataliaErrorKind.InvalidData, $"Disk '{disk.DiskId}' cannot be restored from this point: {damage.Message}", damage.Target,
                "Restore another point. Test-NataliaRestorePoint tells which ones are whole.", damage);
        }
        finally
        {
            foreach (LeafReader reader in readers) reader.Dispose();
            await leaves.DisposeAsync().ConfigureAwait(false);
        }
        await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<long> CopyAsync(LeafReader reader, MapReader map, long leaf, Reference reference, IDiskTarget target, CancellationToken cancellationToken)
    {
        MapNode node = await map.ReadAsync(reference, 0, reader.Codec, cancellationToken).ConfigureAwait(false);
        long bytes = await reader.ReadAsync(node, leaf, disk.SizeBytes, null, cancellationToken).ConfigureAwait(false);
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is null) continue;
            int first = slot;
            while (slot + 1 < BlockGeometry.FanOut && node[slot + 1] is not null) slot++;
            long offset = ((leaf << BlockGeometry.FanOutBits) + first) * BlockGeometry.BlockBytes;
            await target.WriteAsync(offset, reader.Block(first, slot, leaf, disk.SizeBytes), cancellationToken).ConfigureAwait(false);
        }
        return bytes;
    }
}
