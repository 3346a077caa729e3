using System.Runtime.InteropServices;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Files;

/// <summary>
/// Which parts of a sparse file hold data, by what its file system says. Where that cannot be learned, all of it does.
/// </summary>
internal static class AllocatedExtents
{
    /// <summary>Holes shorter than this are not worth a request of their own.</summary>
    private const long SmallestHole = 64 * 1024;

    /// <summary>
    /// The extents, ascending, not touching, inside <paramref name="size"/>. Lazy, so that a badly fragmented file
    /// costs no memory.
    /// </summary>
    internal static IEnumerable<Extent> Find(SafeHandle handle, long size) =>
        Coalesce(Platform.IsWindows ? FindOnWindows(handle, size) : FindOnUnix(new UnixHoles(handle), size), size);

    /// <summary>
    /// Holes are believed only after a flush: some file systems show what waits in memory as a hole (ZFS did), and a
    /// hole is not read. A file with no data at all that takes room on its file system is read as well: it may be
    /// reserved only, or the file system may not know better.
    /// </summary>
    internal static IEnumerable<Extent> FindOnUnix(IHoles file, long size)
    {
        if (size == 0) yield break;
        bool isFlushed = file.TryFlush();
        long at = 0;
        while (at < size)
        {
            long? data = isFlushed ? file.FindData(at) : null;
            if (data < 0 && (at > 0 || file.AllocatedBytes is null or 0)) yield break;
            long? hole = data is long from and >= 0 ? file.FindHole(from) : null;
            if (data is null or < 0 || hole is null || hole <= data)
            {
                // The file system cannot say, or says nonsense (a file cut short this moment): all the rest may be
                // data.
                yield return new Extent(at, size - at);
                yield break;
            }
            yield return new Extent(data.Value, hole.Value - data.Value);
            at = hole.Value;
        }
    }

    private static IEnumerable<Extent> FindOnWindows(SafeHandle handle, long size)
    {
        var ranges = new Extent[1024];
        long at = 0;
        while (at < size)
        {
            int count = WindowsFile.QueryAllocatedRanges(handle, at, size - at, ranges, out bool more);
            if (count < 0 || (count == 0 && more))
            {
                yield return new Extent(at, size - at);
                yield break;
            }
            for (int i = 0; i < count; i++) yield return ranges[i];
            if (!more) yield break;
            at = ranges[count - 1].End;
        }
    }

    /// <summary>Joins extents with small holes between them, and cuts at the end of the disk.</summary>
    internal static IEnumerable<Extent> Coalesce(IEnumerable<Extent> extents, long size)
    {
        long start = 0, end = -1;
        foreach (Extent extent in extents)
        {
            long nextEnd = Math.Min(extent.End, size);
            if (extent.Offset >= nextEnd) continue;
            if (end >= 0 && extent.Offset - end < SmallestHole)
            {
                end = Math.Max(end, nextEnd);
                continue;
            }
            if (end >= 0) yield return new Extent(start, end - start);
            (start, end) = (extent.Offset, nextEnd);
        }
        if (end >= 0) yield return new Extent(start, end - start);
    }

    /// <summary>What a file system says of a file's holes.</summary>
    internal interface IHoles
    {
        /// <summary>How many bytes the file takes; null where that cannot be learned.</summary>
        long? AllocatedBytes { get; }

        /// <summary>Stores what waits in memory; false when that failed.</summary>
        bool TryFlush();

        /// <summary>See <see cref="UnixFile.FindData"/>.</summary>
        long? FindData(long from);

        /// <summary>See <see cref="UnixFile.FindHole"/>.</summary>
        long? FindHole(long from);
    }

    private sealed class UnixHoles(SafeHandle handle) : IHoles
    {
        public long? AllocatedBytes => UnixFile.GetAllocatedBytes(handle);

        public bool TryFlush() => UnixFile.TryFlush(handle);

        public long? FindData(long from) => UnixFile.FindData(handle, from);

        public long? FindHole(long from) => UnixFile.FindHole(handle, from);
    }
}
