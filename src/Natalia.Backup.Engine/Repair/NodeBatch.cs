using System.Buffers;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Reads many nodes of block maps at once: sorted by where they lie, neighbours in a pack in one request, several packs
/// at a time. A walk from node to node would ask the store for each.
/// </summary>
internal static class NodeBatch
{
    private const int RequestsAtOnce = 8;

    /// <summary>Reading this much for nothing costs less than another request.</summary>
    private const int LargestGap = 128 * 1024;

    private const int LargestRead = 4 << 20;

    /// <param name="packs">Where they lie.</param>
    /// <param name="nodes">Which are wanted.</param>
    /// <param name="level">Their level.</param>
    /// <param name="onNode">Told of each with its place in the list: the node, or why it cannot be had. Called by one
    /// thread at a time, in any order.</param>
    internal static async Task ReadAsync(PackReader packs, IReadOnlyList<Reference> nodes, int level,
        Action<int, MapNode?, NataliaException?> onNode, CancellationToken cancellationToken)
    {
        object gate = new();
        using var slots = new SemaphoreSlim(RequestsAtOnce);
        var pending = new List<Task>();
        foreach (IGrouping<(Run Run, int Pack), int> pack in Enumerable.Range(0, nodes.Count)
            .GroupBy(i => (nodes[i].Run, nodes[i].Pack)).OrderBy(g => g.Key.Run.Sequence).ThenBy(g => g.Key.Pack))
        {
            await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            pending.Add(ReadPackAsync(pack.Key, [.. pack]));
            if (pending.Count < 256) continue;
            await Task.WhenAll(pending).ConfigureAwait(false);
            pending.Clear();
        }
        await Task.WhenAll(pending).ConfigureAwait(false);

        async Task ReadPackAsync((Run Run, int Pack) pack, int[] wanted)
        {
            try
            {
                PackDirectory directory = await packs.GetDirectoryAsync(PackArea.Meta, pack.Run, pack.Pack,
                    cancellationToken).ConfigureAwait(false);
                var found = new List<(int Node, SegmentEntry Entry, long Offset)>(wanted.Length);
                foreach (int node in wanted)
                {
                    if (directory.Find(nodes[node].Ordinal) is var (entry, offset)
                        && entry.PlainLength <= MapNode.LargestEncoding)
                        found.Add((node, entry, offset));
                    else Report(node, null, PackReader.NoSuchSegment(directory, nodes[node]));
                }
                found.Sort((a, b) => a.Offset.CompareTo(b.Offset));
                using var codec = new SegmentCodec();
                using SegmentCipher cipher = packs.CipherFor(directory);
                for (int first = 0; first < found.Count;)
                {
                    int next = first + 1;
                    long start = found[first].Offset, end = start + found[first].Entry.SealedLength;
                    while (next < found.Count && found[next].Offset - end <= LargestGap
                        && found[next].Offset + found[next].Entry.SealedLength - start <= LargestRead)
                    {
                        end = found[next].Offset + found[next].Entry.SealedLength;
                        next++;
                    }
                    await ReadRangeAsync(directory, cipher, codec, found.GetRange(first, next - first), start,
                        (int)(end - start)).ConfigureAwait(false);
                    first = next;
                }
            }
            catch (NataliaException damage) when (Damage.Is(damage))
            {
                // Only the directory's reading gets here: nothing was told yet.
                foreach (int node in wanted) Report(node, null, damage);
            }
            finally
            {
                slots.Release();
            }
        }

        async Task ReadRangeAsync(PackDirectory directory, SegmentCipher cipher, SegmentCodec codec,
            List<(int Node, SegmentEntry Entry, long Offset)> wanted, long start, int length)
        {
            byte[] stored = ArrayPool<byte>.Shared.Rent(length);
            try
            {
                try
                {
                    await packs.ReadExactlyAsync(directory, start, stored.AsMemory(0, length),
                        cancellationToken).ConfigureAwait(false);
                }
                catch (NataliaException damage) when (Damage.Is(damage) && wanted.Count > 1)
                {
                    // The object ends here, or the medium is bad somewhere: each by itself.
                    foreach ((int Node, SegmentEntry Entry, long Offset) one in wanted)
                        await ReadRangeAsync(directory, cipher, codec, [one], one.Offset,
                            one.Entry.SealedLength).ConfigureAwait(false);
                    return;
                }
                catch (NataliaException damage) when (Damage.Is(damage))
                {
                    Report(wanted[0].Node, null, damage);
                    return;
                }
                foreach ((int node, SegmentEntry entry, long offset) in wanted)
                {
                    MapNode? read = null;
                    NataliaException? why = null;
                    try
                    {
                        var plain = new byte[entry.PlainLength];
                        PackReader.Open(directory, entry, nodes[node], cipher, codec,
                            stored.AsSpan((int)(offset - start), entry.SealedLength), plain);
                        read = MapNode.Decode(plain, level);
                    }
                    catch (NataliaException damage) when (Damage.Is(damage))
                    {
                        why = damage;
                    }
                    catch (FormatException damage)
                    {
                        why = new NataliaException(ErrorIds.BlockMapDamaged, NataliaErrorKind.InvalidData,
                            "The block map is damaged: " + damage.Message, directory.ObjectName, null, damage);
                    }
                    Report(node, read, why);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(stored);
            }
        }

        void Report(int node, MapNode? read, NataliaException? why)
        {
            lock (gate) onNode(node, read, why);
        }
    }
}
