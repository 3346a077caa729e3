using Microsoft.Win32.SafeHandles;

namespace Natalia.Backup.Engine.Disks.Native;

/// <summary>Which parts of a sparse file hold data, by what its file system says. Where that cannot be learned, all of it does.</summary>
internal static class AllocatedExtents
{
    /// <summary>Holes shorter than this are not worth a request of their own.</summary>
    private const long SmallestHole = 64 * 1024;

    /// <summary>The extents, ascending, not touching, inside <paramref name="size"/>. Lazy, so that a badly fragmented file costs no memory.</summary>
    internal static IEnumerable<Extent> Find(SafeFileHandle handle, long size) =>
        Coalesce(Platform.IsWindows ? FindOnWindows(handle, size) : FindOnUnix(handle, size), size);

    private static IEnumerable<Extent> FindOnUnix(SafeFileHandle handle, long size)
    {
        long at = 0;
        while (at < size)
        {
            long? data = UnixFile.FindData(handle, at);
            if (data < 0) yield break;
            long? hole = data is long from ? UnixFile.FindHole(handle, from) : null;
            if (data is null || hole is null || hole <= data)
            {
                // The file system cannot say, or says nonsense (a file cut short this moment): all the rest may be data.
                yield return new Extent(at, size - at);
                yield break;
            }
            yield return new Extent(data.Value, hole.Value - data.Value);
            at = hole.Value;
        }
    }

    private static IEnumerable<Extent> FindOnWindows(SafeFileHandle handle, long size)
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
}
