using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>
/// Asks for changed areas from a disk's beginning to its end. An answer covers a part (2,000 areas on known servers),
/// and an empty one does not mean that nothing follows: only its length tells how far it goes. Whatever contradicts
/// itself is not mended but refused, and the disk is read whole.
/// </summary>
internal static class AreaWalk
{
    /// <summary>Above what a disk of 62 TiB in answers of 2,000 areas needs: no server keeps us for ever.</summary>
    internal const int MostCalls = 100_000;

    /// <summary>At so many areas reading everything costs no more than jumping about.</summary>
    internal const int MostAreas = 2_000_000;

    /// <summary>Asks until the end.</summary>
    /// <param name="capacity">The disk's size in bytes.</param>
    /// <param name="ask">Asks for the part that begins at an offset, which is inside the disk: a server refuses one at
    /// its end.</param>
    internal static async Task<AreaAnswer> AskAsync(long capacity,
        Func<long, CancellationToken, Task<DiskChanges>> ask, CancellationToken cancellationToken)
    {
        var extents = new List<Extent>();
        int calls = 0;
        for (long offset = 0; offset < capacity;)
        {
            if (calls == MostCalls) return No($"the server did not come to the disk's end in {MostCalls} answers");
            DiskChanges part = await ask(offset, cancellationToken).ConfigureAwait(false);
            calls++;
            if (WhyNot(part, offset, capacity) is string why) return No(why);
            if (extents.Count + part.Areas.Count > MostAreas)
                return No($"more than {MostAreas} areas of it changed");
            foreach (ChangedArea area in part.Areas)
            {
                if (extents.Count > 0 && extents[extents.Count - 1] is var last && last.End == area.Start)
                    extents[extents.Count - 1] = new Extent(last.Offset, last.Length + area.Length);
                else extents.Add(new Extent(area.Start, area.Length));
            }
            offset = part.StartOffset + part.Length;
        }
        return new AreaAnswer(extents, null, calls);

        AreaAnswer No(string why) => new(null, why, calls);
    }

    /// <summary>What is wrong with an answer; null when it can be believed.</summary>
    private static string? WhyNot(DiskChanges part, long asked, long capacity)
    {
        if (part.StartOffset != asked)
            return $"the server was asked about byte {asked} and answered about byte {part.StartOffset}";
        if (part.Length <= 0) return $"the server's answer about byte {asked} covers nothing";
        if (part.Length > capacity - asked)
            return $"the server's answer goes beyond the disk's {capacity} bytes";
        long end = asked, limit = asked + part.Length;
        foreach (ChangedArea area in part.Areas)
        {
            if (area.Length <= 0) return $"the server told of an area of {area.Length} bytes at byte {area.Start}";
            if (area.Start < 0 || area.Start > capacity - area.Length)
                return $"the server told of an area beyond the disk's {capacity} bytes";
            if (area.Start < end)
                return $"the areas that the server told of overlap or are in no order, at byte {area.Start}";
            end = area.Start + area.Length;
            if (end > limit) return $"the server told of an area behind the part that it answered about, at byte {end}";
        }
        return null;
    }
}
