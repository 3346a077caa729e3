using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Restore;

/// <summary>
/// Reads the blocks of a leaf: neighbours in a pack in one request, each block opened, decompressed and checked against
/// its hash. Holds the memory of one worker; not thread-safe.
/// </summary>
/// <param name="packs">The appliance's packs.</param>
internal sealed class LeafReader(PackReader packs) : IDisposable
{
    /// <summary>Where a block goes that is only checked: it stays in the processor's cache.</summary>
    private readonly byte[] _checked = new byte[BlockGeometry.BlockBytes];
    private (PackDirectory Directory, SegmentCipher Cipher)? _cipher;

    /// <summary>What requests are read into that are under way or being opened.</summary>
    private readonly RequestRoom _room = new(BlockRange.LargestRead);

    internal SegmentCodec Codec { get; } = new(packs.NewZstd());

    /// <summary>Reads every block of a leaf.</summary>
    /// <param name="node">The leaf.</param>
    /// <param name="leaf">Its number.</param>
    /// <param name="sizeBytes">The disk's size.</param>
    /// <param name="into">Where the blocks go; null when they are only to be checked.</param>
    /// <param name="onDamage">Told of each block that cannot be had, and the rest is read all the same; null throws at
    /// the first.</param>
    /// <returns>How many bytes of blocks were read and found good.</returns>
    /// <exception cref="NataliaException"><c>PackMissing</c>, <c>ObjectDamaged</c>, a store error.</exception>
    internal async Task<long> ReadAsync(MapNode node, long leaf, long sizeBytes, LeafBuffer? into,
        Action<Reference, NataliaException>? onDamage, CancellationToken cancellationToken)
    {
        var byPack = new Dictionary<(Run, int), List<int>>();
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is not Reference block) continue;
            if (!byPack.TryGetValue((block.Run, block.Pack), out List<int>? slots))
                byPack[(block.Run, block.Pack)] = slots = [];
            slots.Add(slot);
        }
        if (packs.ReadsAtOnce > 1 && byPack.Count > 1)
            await LoadDirectoriesAsync(byPack.Keys, cancellationToken).ConfigureAwait(false);
        var ranges = new List<PackRange>();
        foreach (((Run run, int pack), List<int> slots) in byPack.Select(p => (p.Key, p.Value)))
        {
            PackDirectory directory;
            try
            {
                directory = await packs.GetDirectoryAsync(PackArea.Data, run, pack,
                    cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (onDamage is not null && IsDamage(damage))
            {
                foreach (int slot in slots) onDamage(node[slot]!, damage);
                continue;
            }
            var found = new List<StoredBlock>(slots.Count);
            foreach (int slot in slots)
            {
                if (directory.Find(node[slot]!.Ordinal) is var (entry, offset))
                    found.Add(new StoredBlock(slot, entry, offset));
                else Report(node[slot]!, PackReader.NoSuchSegment(directory, node[slot]!));
            }
            foreach (BlockRange range in BlockRange.Split(found)) ranges.Add(new PackRange(directory, range));
        }
        return await ReadRangesAsync(ranges, new Wanted(node, leaf, sizeBytes, into, Report, onDamage is not null),
            cancellationToken).ConfigureAwait(false);

        void Report(Reference block, NataliaException damage)
        {
            if (onDamage is null) throw damage;
            onDamage(block, damage);
        }
    }

    /// <summary>
    /// Asks for several packs at once; what is damaged is told when it is used. A store that is gone is told at once:
    /// it was waited for already.
    /// </summary>
    private Task LoadDirectoriesAsync(IReadOnlyCollection<(Run Run, int Pack)> wanted,
        CancellationToken cancellationToken) =>
        InParallel.RunAsync(wanted, packs.ReadsAtOnce, async pack =>
        {
            try
            {
                await packs.GetDirectoryAsync(PackArea.Data, pack.Run, pack.Pack,
                    cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (IsDamage(damage))
            {
                // Not remembered: whoever uses it asks again, and knows whether to go on.
            }
        }, cancellationToken);

    /// <summary>Reads and opens ranges in their order; the next ones are under way meanwhile.</summary>
    private async Task<long> ReadRangesAsync(IReadOnlyList<PackRange> ranges, Wanted wanted,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var underWay = new Queue<Fetch>();
        long good = 0;
        int next = 0;
        try
        {
            while (next < ranges.Count || underWay.Count > 0)
            {
                while (next < ranges.Count && Begin(ranges[next], underWay.Count, stop.Token) is Fetch fetch)
                {
                    underWay.Enqueue(fetch);
                    next++;
                }
                good += await OpenAsync(underWay.Dequeue(), wanted, cancellationToken).ConfigureAwait(false);
            }
            return good;
        }
        finally
        {
            if (underWay.Count > 0) stop.Cancel();
            foreach (Fetch fetch in underWay) await AbandonAsync(fetch).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Begins a request: many small ones, or few large ones, together take no more than the largest one may. Null when
    /// there is no room beside those that are under way.
    /// </summary>
    private Fetch? Begin(PackRange item, int underWay, CancellationToken cancellationToken)
    {
        if (underWay >= packs.ReadsAtOnce) return null;
        Memory<byte> stored = _room.TryTake(item.Range.Length);
        if (stored.IsEmpty)
        {
            if (underWay > 0) return null;
            // Of a range that could not be read as one, or not where it was, while others are under way.
            stored = new byte[item.Range.Length];
        }
        return new Fetch(item, stored,
            packs.ReadExactlyAsync(item.Directory, item.Range.Offset, stored, cancellationToken));
    }

    private async Task<long> OpenAsync(Fetch fetch, Wanted wanted, CancellationToken cancellationToken)
    {
        (PackDirectory directory, BlockRange range, bool isAgain) = fetch.Of;
        long good = 0;
        try
        {
            try
            {
                await fetch.Reading.ConfigureAwait(false);
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound && !isAgain)
            {
                return await ReadAgainAsync(directory, range, wanted, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                ReportAll(range, wanted, packs.Missing(directory, gone));
                return 0;
            }
            catch (NataliaException damage) when (wanted.GoesOn && IsDamage(damage))
            {
                if (range.Blocks.Count == 1)
                {
                    wanted.Report(wanted.Node[range.Blocks[0].Slot]!, damage);
                    return 0;
                }
                // The object ends here, or the medium is bad somewhere: each block by itself, so that what is whole is
                // had.
                return await ReadRangesAsync(
                    [.. range.Blocks.SelectMany(b => BlockRange.Split([b]))
                        .Select(one => new PackRange(directory, one, isAgain))],
                    wanted, cancellationToken).ConfigureAwait(false);
            }
            foreach ((int slot, SegmentEntry entry, long offset) in range.Blocks)
            {
                Reference block = wanted.Node[slot]!;
                int plainLength = BlockGeometry.BlockLength(wanted.SizeBytes,
                    (wanted.Leaf << BlockGeometry.FanOutBits) + slot);
                try
                {
                    if (entry.PlainLength != plainLength) throw PackReader.NoSuchSegment(directory, block);
                    PackReader.Open(directory, entry, block, Cipher(directory), Codec,
                        fetch.Stored.Span.Slice((int)(offset - range.Offset), entry.SealedLength),
                        wanted.Into is LeafBuffer into
                            ? into.Room(slot, plainLength)
                            : _checked.AsSpan(0, plainLength));
                    good += plainLength;
                }
                catch (NataliaException damage) when (IsDamage(damage))
                {
                    wanted.Report(block, damage);
                }
            }
            return good;
        }
        finally
        {
            _room.Release(fetch.Stored);
        }
    }

    /// <summary>
    /// Reads blocks whose object has gone since its table was read: a pack that was rewritten has them elsewhere.
    /// </summary>
    private async Task<long> ReadAgainAsync(PackDirectory gone, BlockRange range, Wanted wanted,
        CancellationToken cancellationToken)
    {
        Reference any = wanted.Node[range.Blocks[0].Slot]!;
        PackDirectory directory;
        try
        {
            directory = await packs.FindAgainAsync(PackArea.Data, any.Run, any.Pack, gone,
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (IsDamage(damage))
        {
            ReportAll(range, wanted, damage);
            return 0;
        }
        var found = new List<StoredBlock>(range.Blocks.Count);
        foreach ((int slot, SegmentEntry before, _) in range.Blocks)
        {
            if (directory.Find(before.Ordinal) is var (entry, offset)) found.Add(new StoredBlock(slot, entry, offset));
            else wanted.Report(wanted.Node[slot]!, PackReader.NoSuchSegment(directory, wanted.Node[slot]!));
        }
        return await ReadRangesAsync(
            [.. BlockRange.Split(found).Select(r => new PackRange(directory, r, IsAgain: true))], wanted,
            cancellationToken).ConfigureAwait(false);
    }

    private static void ReportAll(BlockRange range, Wanted wanted, NataliaException damage)
    {
        foreach (StoredBlock block in range.Blocks) wanted.Report(wanted.Node[block.Slot]!, damage);
    }

    /// <summary>Waits for a request that nobody wants any more: its buffer is not free before it has ended.</summary>
    private async Task AbandonAsync(Fetch fetch)
    {
        try
        {
            await fetch.Reading.ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Whatever it is: what came before it is what is told, and the other requests must be waited for too.
        }
        _room.Release(fetch.Stored);
    }

    /// <summary>What is read of a leaf, and who is told of damage.</summary>
    private readonly record struct Wanted(MapNode Node, long Leaf, long SizeBytes, LeafBuffer? Into,
        Action<Reference, NataliaException> Report, bool GoesOn);

    /// <summary>What is read in one request.</summary>
    /// <param name="Directory">The pack.</param>
    /// <param name="Range">Its blocks.</param>
    /// <param name="IsAgain">Whether the pack was looked up again for them.</param>
    private readonly record struct PackRange(PackDirectory Directory, BlockRange Range, bool IsAgain = false);

    /// <summary>One request.</summary>
    private sealed record Fetch(PackRange Of, Memory<byte> Stored, Task Reading);

    private static bool IsDamage(NataliaException failure) =>
        failure.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged or ErrorIds.ObjectNotFound
            or ErrorIds.StoreReadFailed;

    private SegmentCipher Cipher(PackDirectory directory)
    {
        if (_cipher is not var (known, cipher) || !ReferenceEquals(known, directory))
        {
            _cipher?.Cipher.Dispose();
            cipher = packs.CipherFor(directory);
            _cipher = (directory, cipher);
        }
        return cipher;
    }

    public void Dispose()
    {
        _cipher?.Cipher.Dispose();
        Codec.Dispose();
    }
}
