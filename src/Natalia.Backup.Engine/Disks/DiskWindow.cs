using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A part of a file as a disk, or as a file, of its own: an extent of an image, a member of an archive.
/// </summary>
/// <param name="file">The file.</param>
/// <param name="place">Which part; it lies inside the file.</param>
/// <param name="name">What it is called.</param>
/// <param name="closesFile">False when the file is somebody else's to close.</param>
public sealed class DiskWindow(IDiskSource file, Extent place, string name, bool closesFile = true) : IDiskSource
{
    /// <inheritdoc/>
    public long SizeBytes => place.Length;

    /// <inheritdoc/>
    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Extent extent in file.GetAllocatedExtentsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (extent.Offset >= place.End) yield break;
            long from = Math.Max(extent.Offset, place.Offset), to = Math.Min(extent.End, place.End);
            if (from < to) yield return new Extent(from - place.Offset, to - from);
        }
    }

    /// <inheritdoc/>
    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > place.Length - buffer.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), "The range must lie inside the disk.");
        return file.ReadAsync(place.Offset + offset, buffer, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (closesFile) file.Dispose();
    }

    /// <summary>Its name.</summary>
    public override string ToString() => name;
}
