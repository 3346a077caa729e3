using System.Buffers.Binary;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>
/// A VHDX file as it would be if its log had been written into it. Of the log only the places are held; the bytes are
/// read when they are asked for.
/// </summary>
internal sealed class ReplayedFile : IDiskSource
{
    private const int Sector = 4096;

    private readonly IDiskSource _file;

    /// <summary>What to read instead of the file, ascending, each byte once; null is zeros.</summary>
    private readonly List<(Extent Place, LogPatch Patch)> _parts;

    internal ReplayedFile(IDiskSource file, long length, IReadOnlyList<LogPatch> patches)
    {
        _file = file;
        _parts = Settle(patches);
        SizeBytes = _parts.Count == 0 ? length : Math.Max(length, _parts[_parts.Count - 1].Place.End);
    }

    public long SizeBytes { get; }

    public IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
        throw new NotSupportedException("A file is asked for its bytes only.");

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int there = (int)Math.Max(0, Math.Min(buffer.Length, _file.SizeBytes - offset));
        if (there > 0)
            await _file.ReadAsync(offset, buffer.Slice(0, there), cancellationToken).ConfigureAwait(false);
        buffer.Span.Slice(there).Clear();
        byte[]? sector = null;
        for (int i = FirstBehind(offset); i < _parts.Count; i++)
        {
            (Extent place, LogPatch patch) = _parts[i];
            long from = Math.Max(place.Offset, offset), to = Math.Min(place.End, offset + buffer.Length);
            if (from >= to) break;
            Memory<byte> part = buffer.Slice((int)(from - offset), (int)(to - from));
            if (patch.DataOffset is not long at)
            {
                part.Span.Clear();
                continue;
            }
            sector ??= new byte[Sector];
            await _file.ReadAsync(at, sector, cancellationToken).ConfigureAwait(false);
            BinaryPrimitives.WriteUInt64LittleEndian(sector, patch.Leading);
            BinaryPrimitives.WriteUInt32LittleEndian(sector.AsSpan(Sector - 4), patch.Trailing);
            sector.AsMemory((int)(from - patch.Place.Offset), part.Length).CopyTo(part);
        }
    }

    public void Dispose() => _file.Dispose();

    public override string ToString() => _file.ToString() ?? "";

    /// <summary>
    /// What counts at each place, which is what was written there last. Goes through the beginnings and ends in order,
    /// with the patches that are there held by their number.
    /// </summary>
    private static List<(Extent, LogPatch)> Settle(IReadOnlyList<LogPatch> patches)
    {
        var edges = new List<(long At, bool Begins, int Patch)>(patches.Count * 2);
        for (int i = 0; i < patches.Count; i++)
        {
            edges.Add((patches[i].Place.Offset, true, i));
            edges.Add((patches[i].Place.End, false, i));
        }
        edges.Sort((a, b) => a.At.CompareTo(b.At));
        var parts = new List<(Extent, LogPatch)>();
        var here = new SortedSet<int>();
        long from = 0;
        foreach ((long at, bool begins, int patch) in edges)
        {
            if (here.Count > 0 && at > from)
                parts.Add((new Extent(from, at - from), patches[here.Max]));
            from = at;
            if (begins) here.Add(patch);
            else here.Remove(patch);
        }
        return parts;
    }

    private int FirstBehind(long offset)
    {
        int low = 0, high = _parts.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_parts[middle].Place.End <= offset) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
