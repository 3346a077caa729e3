using System.Buffers;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Restore;

/// <summary>
/// Reads the blocks of a leaf: neighbours in a pack in one request, each block opened, decompressed and checked against
/// its hash. Holds the memory of one worker; not thread-safe.
/// </summary>
/// <param name="packs">The appliance's packs.</param>
/// <param name="keepsBlocks">False when the bytes are only to be checked: then there is room for one block, which stays
/// in the processor's cache, and <see cref="Block"/> has nothing to give.</param>
internal sealed class LeafReader(PackReader packs, bool keepsBlocks = true) : IDisposable
{
    private readonly Memory<byte> _plain = PageMemory.Allocate(keepsBlocks
        ? (int)BlockGeometry.LeafBytes
        : BlockGeometry.BlockBytes);
    private (PackDirectory Directory, SegmentCipher Cipher)? _cipher;

    internal SegmentCodec Codec { get; } = new();

    /// <summary>The bytes of a block after <see cref="ReadAsync"/>.</summary>
    internal ReadOnlyMemory<byte> Block(int firstSlot, int lastSlot, long leaf, long sizeBytes)
    {
        if (!keepsBlocks) throw new InvalidOperationException("The blocks were not kept.");
        long start = (leaf << BlockGeometry.FanOutBits) * BlockGeometry.BlockBytes;
        long end = Math.Min(start + (lastSlot + 1L) * BlockGeometry.BlockBytes, sizeBytes);
        int offset = firstSlot * BlockGeometry.BlockBytes;
        return _plain.Slice(offset, (int)(end - start) - offset);
    }

    /// <summary>Reads every block of a leaf.</summary>
    /// <param name="node">The leaf.</param>
    /// <param name="leaf">Its number.</param>
    /// <param name="sizeBytes">The disk's size.</param>
    /// <param name="onDamage">Told of each block that cannot be had, and the rest is read all the same; null throws at
    /// the first.</param>
    /// <returns>How many bytes of blocks were read and found good.</returns>
    /// <exception cref="NataliaException"><c>PackMissing</c>, <c>ObjectDamaged</c>, a store error.</exception>
    internal async Task<long> ReadAsync(MapNode node, long leaf, long sizeBytes,
        Action<Reference, NataliaException>? onDamage, CancellationToken cancellationToken)
    {
        long good = 0;
        var byPack = new Dictionary<(Run, int), List<int>>();
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is not Reference block) continue;
            if (!byPack.TryGetValue((block.Run, block.Pack), out List<int>? slots))
                byPack[(block.Run, block.Pack)] = slots = [];
            slots.Add(slot);
        }
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
            var wanted = new List<StoredBlock>(slots.Count);
            foreach (int slot in slots)
            {
                if (directory.Find(node[slot]!.Ordinal) is var (entry, offset))
                    wanted.Add(new StoredBlock(slot, entry, offset));
                else Report(node[slot]!, PackReader.NoSuchSegment(directory, node[slot]!));
            }
            foreach (BlockRange range in BlockRange.Split(wanted))
                good += await ReadRangeAsync(directory, node, leaf, sizeBytes, range, Report, onDamage is not null,
                    cancellationToken).ConfigureAwait(false);
        }
        return good;

        void Report(Reference block, NataliaException damage)
        {
            if (onDamage is null) throw damage;
            onDamage(block, damage);
        }
    }

    private async Task<long> ReadRangeAsync(PackDirectory directory, MapNode node, long leaf, long sizeBytes,
        BlockRange range,
        Action<Reference, NataliaException> report, bool goOn, CancellationToken cancellationToken)
    {
        long good = 0;
        byte[] stored = ArrayPool<byte>.Shared.Rent(range.Length);
        try
        {
            try
            {
                await packs.ReadExactlyAsync(directory, range.Offset, stored.AsMemory(0, range.Length),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (goOn && IsDamage(damage))
            {
                if (range.Blocks.Count == 1)
                {
                    report(node[range.Blocks[0].Slot]!, damage);
                    return 0;
                }
                // The object ends here, or the medium is bad somewhere: each block by itself, so that what is whole is
                // had.
                foreach (BlockRange one in range.Blocks.SelectMany(b => BlockRange.Split([b])))
                    good += await ReadRangeAsync(directory, node, leaf, sizeBytes, one, report, goOn,
                        cancellationToken).ConfigureAwait(false);
                return good;
            }
            foreach ((int slot, SegmentEntry entry, long offset) in range.Blocks)
            {
                Reference block = node[slot]!;
                int plainLength = BlockGeometry.BlockLength(sizeBytes, (leaf << BlockGeometry.FanOutBits) + slot);
                try
                {
                    if (entry.PlainLength != plainLength) throw PackReader.NoSuchSegment(directory, block);
                    PackReader.Open(directory, entry, block, Cipher(directory), Codec,
                        stored.AsSpan((int)(offset - range.Offset), entry.SealedLength),
                        _plain.Span.Slice(keepsBlocks ? slot * BlockGeometry.BlockBytes : 0, plainLength));
                    good += plainLength;
                }
                catch (NataliaException damage) when (IsDamage(damage))
                {
                    report(block, damage);
                }
            }
            return good;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
        }
    }

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
