using System.Buffers.Binary;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Packs;

/// <summary>
/// The references that died with a run, as ranges of ordinals per pack. A reference born at b and dead at d is free
/// when no existing point p has b ≤ p &lt; d. docs/format.md §8. Not thread-safe.
/// </summary>
internal sealed class DeadList
{
    /// <summary>One encoded segment stays well under the format's limit.</summary>
    private const int SegmentBytes = 1 << 20;

    /// <summary>
    /// A pack has at most 2^20 segments; what names ordinals far above that is damage, and would fill the memory.
    /// </summary>
    private const int HighestOrdinal = 16 * Envelope.MaximumSegments;

    private readonly Dictionary<(PackArea Area, Run Run, int Pack), List<(int Start, int Count)>> _ranges = [];

    internal long Count { get; private set; }

    internal void Add(PackArea area, Reference reference) =>
        Add(area, reference.Run, reference.Pack, reference.Ordinal, 1);

    internal void Add(PackArea area, Run run, int pack, int ordinal, int count)
    {
        Count += count;
        if (!_ranges.TryGetValue((area, run, pack), out List<(int Start, int Count)>? ranges))
            _ranges[(area, run, pack)] = ranges = [];
        if (ranges.Count > 0 && ranges[ranges.Count - 1] is var last && last.Start + last.Count == ordinal)
            ranges[ranges.Count - 1] = (last.Start, last.Count + count);
        else ranges.Add((ordinal, count));
    }

    internal IEnumerable<(PackArea Area, Run Run, int Pack, IReadOnlyList<(int Start, int Count)> Ranges)> Groups =>
        _ranges.Select(g => (g.Key.Area, g.Key.Run, g.Key.Pack, (IReadOnlyList<(int, int)>)g.Value));

    internal List<byte[]> Encode()
    {
        var segments = new List<byte[]>();
        using var current = new MemoryStream();
        var fixedFields = new byte[25];
        var number = new byte[Varint.MaximumLength];
        foreach ((PackArea Area, Run Run, int Pack) key in _ranges.Keys.OrderBy(k => k.Run.Sequence)
            .ThenBy(k => k.Run.Id).ThenBy(k => k.Area).ThenBy(k => k.Pack))
        {
            List<(int Start, int Count)> ranges = _ranges[key];
            ranges.Sort();
            // A group that would not fit is split; a pack has at most 16,384 segments, so a group is at most 100 KiB.
            BinaryPrimitives.WriteUInt64LittleEndian(fixedFields, (ulong)key.Run.Sequence);
            key.Run.Id.Write(fixedFields.AsSpan(8));
            fixedFields[24] = (byte)key.Area;
            current.Write(fixedFields, 0, fixedFields.Length);
            Put((ulong)key.Pack);
            Put((ulong)ranges.Count);
            int next = 0;
            foreach ((int start, int count) in ranges)
            {
                Put((ulong)(start - next));
                Put((ulong)count);
                next = start + count;
            }
            if (current.Length < SegmentBytes) continue;
            segments.Add(current.ToArray());
            current.SetLength(0);
        }
        if (current.Length > 0) segments.Add(current.ToArray());
        return segments;

        void Put(ulong value) => current.Write(number, 0, Varint.Write(number, value));
    }

    /// <exception cref="FormatException">The bytes are not a dead list.</exception>
    internal void Decode(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (bytes.Length < 25 || bytes[24] > (byte)PackArea.Meta)
                throw new FormatException("A dead list is not valid.");
            ulong sequence = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            if (sequence > Layout.HighestNumber) throw new FormatException("A dead list names an impossible run.");
            var run = new Run((long)sequence, Id128.Read(bytes.Slice(8)));
            var area = (PackArea)bytes[24];
            bytes = bytes.Slice(25);
            int pack = Varint.ReadInt(ref bytes);
            int ranges = Varint.ReadInt(ref bytes);
            long next = 0;
            for (int i = 0; i < ranges; i++)
            {
                long start = next + Varint.ReadInt(ref bytes);
                int count = Varint.ReadInt(ref bytes);
                next = start + count;
                if (count == 0 || next > HighestOrdinal)
                    throw new FormatException("A dead list has an impossible range.");
                Add(area, run, pack, (int)start, count);
            }
        }
    }
}
