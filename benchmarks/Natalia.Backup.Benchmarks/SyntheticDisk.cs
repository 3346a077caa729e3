using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// A disk of any size that takes no room: what lies outside its written extents is zero, and half of every written page
/// is random.
/// </summary>
/// <param name="sizeBytes">Its virtual size.</param>
/// <param name="version">Which state of the disk this is.</param>
/// <param name="changed">What was written since the state before.</param>
internal sealed class SyntheticDisk(long sizeBytes, int version, IReadOnlyList<Extent> changed) : IChangeTrackingSource
{
    public long SizeBytes => sizeBytes;
    public bool IsTracked => true;
    public string? TrackingToken => "v" + version;

    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (Extent extent in changed) yield return extent;
        await Task.CompletedTask;
    }

    public Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken) =>
        Task.FromResult(new ChangedExtents(changed));

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Span<byte> bytes = buffer.Span;
        bytes.Clear();
        for (int at = 0; at < bytes.Length; at += 8192)
        {
            var random = new Random(unchecked((int)((offset + at) / 8192) * 31 + version));
            random.NextBytes(bytes.Slice(at, Math.Min(4096, bytes.Length - at)));
        }
        return ValueTask.CompletedTask;
    }

    public void Dispose()
    {
    }
}
