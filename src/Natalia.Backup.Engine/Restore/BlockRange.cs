using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Restore;

/// <summary>Where one block of a leaf lies in a pack.</summary>
/// <param name="Slot">Its slot in the leaf.</param>
/// <param name="Entry">Its line of the segment table.</param>
/// <param name="Offset">Where its stored bytes begin in the object.</param>
internal readonly record struct StoredBlock(int Slot, SegmentEntry Entry, long Offset);

/// <summary>Neighbouring blocks of one pack that are read by one request.</summary>
/// <param name="Offset">Where the request begins in the object.</param>
/// <param name="Length">How many bytes it reads; at most <see cref="LargestRead"/>.</param>
/// <param name="Blocks">The blocks, by offset.</param>
internal readonly record struct BlockRange(long Offset, int Length, IReadOnlyList<StoredBlock> Blocks)
{
    internal const int LargestRead = 8 << 20;

    /// <summary>Reading this much for nothing costs less than another request.</summary>
    private const int LargestGap = 128 * 1024;

    /// <summary>Cuts blocks of one pack into requests. Sorts the list.</summary>
    internal static IEnumerable<BlockRange> Split(List<StoredBlock> wanted)
    {
        wanted.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        for (int first = 0; first < wanted.Count;)
        {
            int next = first + 1;
            long start = wanted[first].Offset, end = start + wanted[first].Entry.SealedLength;
            while (next < wanted.Count && wanted[next].Offset - end <= LargestGap
                && wanted[next].Offset + wanted[next].Entry.SealedLength - start <= LargestRead)
            {
                end = wanted[next].Offset + wanted[next].Entry.SealedLength;
                next++;
            }
            yield return new BlockRange(start, (int)(end - start), wanted.GetRange(first, next - first));
            first = next;
        }
    }
}
