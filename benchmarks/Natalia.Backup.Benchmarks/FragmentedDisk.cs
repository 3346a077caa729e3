using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// The first blocks of an image, and the same with blocks changed all over it, again and again: a point of the last
/// version lies in as many packs of each leaf as there are versions.
/// </summary>
/// <param name="image">The image.</param>
/// <param name="runs">Its blocks that are read.</param>
/// <param name="version">0 for the image as it is; every version changes one block in seventeen.</param>
internal sealed class FragmentedDisk(RawDiskSource image, IReadOnlyList<Extent> runs, int version)
    : IDiskSource, IChangeTrackingSource
{
    private const int Distance = 17;

    public long SizeBytes => image.SizeBytes;

    public bool IsTracked => true;

    public string? TrackingToken => $"version {version}";

    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Yield();
        foreach (Extent run in runs) yield return run;
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await image.ReadAsync(offset, buffer, cancellationToken);
        for (int at = 0; at < buffer.Length; at += BlockGeometry.BlockBytes)
        {
            long block = (offset + at) / BlockGeometry.BlockBytes;
            int changed = Enumerable.Range(1, version).LastOrDefault(v => IsChanged(block, v));
            if (changed > 0)
                new Random(HashCode.Combine(block, changed)).NextBytes(
                    buffer.Span.Slice(at, Math.Min(BlockGeometry.BlockBytes / 3, buffer.Length - at)));
        }
    }

    public Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken)
    {
        if (sinceToken != $"version {version - 1}") return Task.FromResult(new ChangedExtents(null, "Not counted."));
        IEnumerable<Extent> blocks =
            from run in runs
            from block in Enumerable.Range(0, (int)(run.Length / BlockGeometry.BlockBytes))
            let offset = run.Offset + (long)block * BlockGeometry.BlockBytes
            where IsChanged(offset / BlockGeometry.BlockBytes, version)
            select new Extent(offset, BlockGeometry.BlockBytes);
        return Task.FromResult(new ChangedExtents([.. blocks]));
    }

    public void Dispose() { }

    private static bool IsChanged(long block, int version) => (block + version * 2) % Distance == 0;
}
