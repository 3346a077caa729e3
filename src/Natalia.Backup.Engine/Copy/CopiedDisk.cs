using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Copy;

/// <summary>
/// A disk of a restore point, as the source of a copy: gives leaves and stored segments. Thread-safe.
/// What is damaged in the source comes out as <c>RestorePointDamaged</c>, so that nobody takes it for damage of the
/// destination.
/// </summary>
internal sealed class CopiedDisk(RepositoryCore core, ManifestReader manifests, PointManifest point, ManifestDisk disk,
    PackReader packs, PackProofs proofs)
    : IRunDisk
{
    private readonly MapReader _map = new(packs, disk.Root);
    private PackWindow? _window;
    private long _fetchedBytes, _movedBytes;

    public string DiskId => disk.DiskId;

    public DiskRole Role => disk.Role;

    public long SizeBytes => disk.SizeBytes;

    public bool IsOrdered => false;

    /// <summary>No hypervisor is asked.</summary>
    public string? TrackingFault => null;

    internal PackReader Packs => packs;

    /// <summary>Reads leaves of which much is wanted; shared by the workers of the disk.</summary>
    internal PackWindow Window =>
        LazyInitializer.EnsureInitialized(ref _window, () => new PackWindow(packs, CountFetched))!;

    internal PackProofs Proofs => proofs;

    /// <summary>Bytes of blocks read from the source, as stored.</summary>
    internal long FetchedBytes => Interlocked.Read(ref _fetchedBytes);

    /// <summary>Bytes of blocks carried over, before compression.</summary>
    internal long MovedBytes => Interlocked.Read(ref _movedBytes);

    internal void CountFetched(long bytes) => Interlocked.Add(ref _fetchedBytes, bytes);

    internal void CountMoved(long bytes) => Interlocked.Add(ref _movedBytes, bytes);

    /// <summary>A leaf; null when it is all zeros.</summary>
    internal Task<MapNode?> FindLeafAsync(long leaf, SegmentCodec codec, CancellationToken cancellationToken) =>
        GuardAsync(async () =>
        (await _map.FindLeafAsync(leaf, codec, cancellationToken).ConfigureAwait(false))?.Node);

    /// <summary>The leaves that are not all zeros.</summary>
    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<long> leaves = await GuardAsync(() => LeavesAsync(_map, 0, cancellationToken)).ConfigureAwait(false);
        foreach (Extent extent in Extents(leaves)) yield return extent;
    }

    /// <summary>
    /// What a copy has to look at when the earlier point there is a copy too, of a point that is still here.
    /// </summary>
    public async Task<ChangedExtents> FindChangedAsync(ParentDisk? parent, CancellationToken cancellationToken)
    {
        // Damage that was found since the disk was last looked at as a whole is healed by comparing everything, and
        // storing again what lies in damaged packs.
        if (parent is null || parent.IsDamagedSince) return new ChangedExtents(null);
        return new ChangedExtents(await GetChangedExtentsAsync(parent.Point.OriginalPointId, parent.Disk, parent.Map,
            cancellationToken).ConfigureAwait(false));
    }

    public ILeafProcessor NewWorker(MapReader? parent, PackWriter data, Func<Reference, bool> isUsable,
        byte[] buffer) =>
        new SegmentMover(this, parent, data, isUsable, buffer);

    /// <summary>
    /// The leaves in which a copy may differ from the one before it: told by the maps of the two originals, of which
    /// only nodes that differ are read. Null when the earlier original is not there any more, or cannot be compared
    /// with; then everything has to be looked at.
    /// </summary>
    /// <param name="originalPointId">The original of the destination's earlier point.</param>
    /// <param name="before">The disk in that point.</param>
    /// <param name="there">The map of the destination's earlier point.</param>
    private async Task<List<Extent>?> GetChangedExtentsAsync(string originalPointId, ManifestDisk before,
        MapReader there, CancellationToken cancellationToken)
    {
        ManifestDisk? earlier = await FindEarlierAsync(originalPointId, before.DiskId,
            cancellationToken).ConfigureAwait(false);
        if (earlier is null || earlier.SizeBytes != disk.SizeBytes || before.SizeBytes != disk.SizeBytes
            || earlier.Root.Level != disk.Root.Level)
            return null;
        // The copy of a point has as many blocks as the point; what has not is no copy to build on.
        if (before.CoveredBytes is null && before.Root.Blocks != earlier.Root.Blocks) return null;
        long covered = (before.CoveredBytes ?? long.MaxValue) / BlockGeometry.LeafBytes;
        var changed = new SortedSet<long>();
        try
        {
            using var codec = new SegmentCodec();
            await DifferAsync(new MapReader(packs, earlier.Root), earlier.Root.Reference, disk.Root.Reference,
                disk.Root.Level, 0, covered, changed, codec, cancellationToken).ConfigureAwait(false);
            if (before.CoveredBytes is not null)
            {
                // A checkpoint holds the point that it was on its way to up to here only; behind it lies the state of
                // an earlier point, or nothing.
                changed.UnionWith(await LeavesAsync(_map, covered, cancellationToken).ConfigureAwait(false));
            }
        }
        catch (NataliaException damage)
            when (damage.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing or ErrorIds.ObjectDamaged)
        {
            // One of the two maps cannot be read. If it is that of the point itself, looking at everything finds out.
            return null;
        }
        if (before.CoveredBytes is not null)
            changed.UnionWith(await LeavesAsync(there, covered, cancellationToken).ConfigureAwait(false));
        return [.. Extents(changed)];
    }

    /// <summary>The same disk in another point of the source, which may be a copy itself.</summary>
    private async Task<ManifestDisk?> FindEarlierAsync(string originalPointId, string diskId,
        CancellationToken cancellationToken)
    {
        if (point.OriginalPointId == originalPointId) return disk;
        List<Run> candidates = manifests.Recall(point.ApplianceId, originalPointId) is Run listed
            ? [listed]
            : await manifests.ListAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false);
        List<Run> named = candidates.FindAll(r => r.Id.ToString() == originalPointId);
        if (named.Count > 0) candidates = named;
        foreach ((_, PointManifest? manifest, _) in await manifests.ReadAllAsync(point.ApplianceId, candidates,
            fromCatalog: true, cancellationToken).ConfigureAwait(false))
        {
            if (manifest is { Incomplete: false } && manifest.OriginalPointId == originalPointId)
                return manifest.Disks.FirstOrDefault(d => d.DiskId == diskId);
        }
        return null;
    }

    /// <summary>Collects the leaves, below a number, that two maps of equal height do not share.</summary>
    private async Task DifferAsync(MapReader earlier, Reference? a, Reference? b, int level, long index, long end,
        SortedSet<long> changed, SegmentCodec codec, CancellationToken cancellationToken)
    {
        if (a == b || index << (BlockGeometry.FanOutBits * level) >= end) return;
        if (level == 0)
        {
            changed.Add(index);
            return;
        }
        cancellationToken.ThrowIfCancellationRequested();
        MapNode? one = a is null
            ? null
            : await earlier.ReadAsync(a, level, codec, cancellationToken).ConfigureAwait(false);
        MapNode? two = b is null
            ? null
            : await _map.ReadAsync(b, level, codec, cancellationToken).ConfigureAwait(false);
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
            await DifferAsync(earlier, one?[slot], two?[slot], level - 1, (index << BlockGeometry.FanOutBits) + slot,
                end, changed, codec, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<List<long>> LeavesAsync(MapReader map, long first, CancellationToken cancellationToken)
    {
        var leaves = new List<long>();
        await foreach ((long leaf, _) in map.EnumerateLeavesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (leaf >= first) leaves.Add(leaf);
        }
        return leaves;
    }

    private IEnumerable<Extent> Extents(IEnumerable<long> leaves)
    {
        long start = -1, end = -1;
        foreach (long leaf in leaves)
        {
            long offset = leaf * BlockGeometry.LeafBytes;
            if (offset >= disk.SizeBytes) continue;
            if (offset != end)
            {
                if (start >= 0) yield return new Extent(start, end - start);
                start = offset;
            }
            end = Math.Min(offset + BlockGeometry.LeafBytes, disk.SizeBytes);
        }
        if (start >= 0) yield return new Extent(start, end - start);
    }

    /// <summary>Reads something of the source, and says so when it is damaged.</summary>
    /// <exception cref="NataliaException"><c>RestorePointDamaged</c>, a store error.</exception>
    internal async Task<T> GuardAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (NataliaException damage)
            when (damage.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing or ErrorIds.ObjectDamaged)
        {
            throw Damaged(damage);
        }
    }

    /// <exception cref="NataliaException"><c>RestorePointDamaged</c>: always.</exception>
    internal NataliaException Damaged(NataliaException damage) => Damaged(core, point, damage);

    internal static NataliaException Damaged(RepositoryCore core, PointManifest point, NataliaException damage) =>
        new(ErrorIds.RestorePointDamaged, NataliaErrorKind.InvalidData,
        $"The point {point.ApplianceName} {point.TimeUtc:yyyy-MM-dd HH:mm:ss}Z ({point.PointId}) is damaged in the "
        + $"repository '{core.Options.Label}' and was not copied: {damage.Message}",
        damage.Target,
        "The next full backup into that repository stores again what the newest point needs; points that do not need "
        + "what is damaged can be copied. A repository that has a copy of the point brings it back: copy it from "
        + "there.",
        damage);
}
