using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Engine.Runs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Copy;

/// <summary>
/// Makes leaves of a copy: compares the hashes of source and destination, and moves the segments that the destination
/// lacks. A segment is opened with the source's key and sealed with the destination's; what is inside stays compressed.
/// That it is whole, and the one that is meant, is proved by its seal where the seal can prove it, else by its hash.
/// Holds the memory of one worker; not thread-safe.
/// </summary>
internal sealed class SegmentMover(CopiedDisk source, MapReader? parent, PackWriter data,
    Func<Reference, bool> isUsable, byte[] buffer)
    : ILeafProcessor
{
    /// <summary>
    /// From so many blocks of a leaf in one pack on, the pack is read in large pieces: its other blocks are wanted
    /// next.
    /// </summary>
    private const int Bulk = 32;

    private readonly PackWriter.Worker _data = data.NewWorker();
    private readonly byte[] _compressed = new byte[BlockGeometry.BlockBytes];
    private readonly byte[] _plain = new byte[BlockGeometry.BlockBytes];
    private (PackDirectory Directory, SegmentCipher Cipher)? _cipher;

    public async Task<LeafResult> ProcessAsync(LeafWork work, CancellationToken cancellationToken)
    {
        (Reference Reference, MapNode Node)? old = parent is null
            ? null
            : await parent.FindLeafAsync(work.Leaf, _data.Codec, cancellationToken).ConfigureAwait(false);
        MapNode? theirs = await source.FindLeafAsync(work.Leaf, _data.Codec, cancellationToken).ConfigureAwait(false);
        var content = new MapNode(0);
        var wanted = new List<int>();
        var dead = new List<Reference>();
        bool changed = false;
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            Reference? before = old?.Node[slot];
            Reference? there = work.Read[slot] ? theirs?[slot] : null;
            bool stays = before is not null
                && (work.Read[slot]
                    ? there is not null && there.Hash == before.Hash && isUsable(before)
                    : work.KeepOthers);
            if (stays)
            {
                content.Set(slot, before);
                continue;
            }
            if (before is not null) dead.Add(before);
            if (there is not null) wanted.Add(slot);
            changed |= before is not null || there is not null;
        }
        if (theirs is not null)
            await MoveAsync(theirs, wanted, work.Leaf, content, cancellationToken).ConfigureAwait(false);
        long looked = Math.Min(BlockGeometry.LeafBytes, source.SizeBytes - work.Leaf * BlockGeometry.LeafBytes);
        return new LeafResult(work.Leaf, changed ? content : null, old?.Reference, dead, looked);
    }

    private async Task MoveAsync(MapNode theirs, List<int> slots, long leaf, MapNode content,
        CancellationToken cancellationToken)
    {
        foreach (IGrouping<(Run Run, int Pack), int> pack in slots.GroupBy(s => (theirs[s]!.Run, theirs[s]!.Pack)))
        {
            (Run run, int number) = pack.Key;
            PackDirectory directory =
                await source.GuardAsync(
                    () => source.Packs.GetDirectoryAsync(PackArea.Data, run, number,
                        cancellationToken)).ConfigureAwait(false);
            NataliaException? gone = await TryMoveAsync(theirs, pack, leaf, content, directory,
                cancellationToken).ConfigureAwait(false);
            if (gone is null) continue;
            PackDirectory again =
                await source.GuardAsync(
                    () => source.Packs.FindAgainAsync(PackArea.Data, run, number, directory,
                        cancellationToken)).ConfigureAwait(false);
            gone = await TryMoveAsync(theirs, pack, leaf, content, again, cancellationToken).ConfigureAwait(false);
            if (gone is not null) throw source.Damaged(source.Packs.Missing(again, gone));
        }
    }

    /// <summary>Moves the blocks of a leaf that lie in one pack, but for those that were moved before.</summary>
    /// <returns>Null, or that the pack's object has gone since its table was read.</returns>
    private async Task<NataliaException?> TryMoveAsync(MapNode theirs, IGrouping<(Run Run, int Pack), int> pack,
        long leaf, MapNode content, PackDirectory directory, CancellationToken cancellationToken)
    {
        bool isProven = await source.Proofs.IsProvenAsync(PackArea.Data, pack.Key.Run, pack.Key.Pack, directory,
            cancellationToken).ConfigureAwait(false);
        var wanted = new List<StoredBlock>();
        foreach (int slot in pack.Where(s => content[s] is null))
        {
            Reference block = theirs[slot]!;
            int plainLength = BlockGeometry.BlockLength(source.SizeBytes,
                (leaf << BlockGeometry.FanOutBits) + slot);
            if (directory.Find(block.Ordinal) is not var (entry, offset) || entry.PlainLength != plainLength)
                throw source.Damaged(PackReader.NoSuchSegment(directory, block));
            // What the table says is nobody's word yet, and what it leads to must fit into a worker's memory.
            if (entry.SealedLength > BlockGeometry.BlockBytes + SegmentCipher.TagLength)
                throw source.Damaged(PackReader.Damaged(directory.ObjectName,
                    new FormatException("A segment's length is not possible."), entry.Ordinal));
            wanted.Add(new StoredBlock(slot, entry, offset));
        }
        foreach (BlockRange range in BlockRange.Split(wanted))
        {
            bool isBulk = wanted.Count >= Bulk;
            if (!isBulk && await FetchAsync(directory, range, cancellationToken).ConfigureAwait(false)
                is NataliaException rangeGone)
                return rangeGone;
            foreach (StoredBlock block in range.Blocks)
            {
                Reference reference = theirs[block.Slot]!;
                Memory<byte> stored = isBulk
                    ? buffer.AsMemory(0, block.Entry.SealedLength)
                    : buffer.AsMemory((int)(block.Offset - range.Offset), block.Entry.SealedLength);
                if (isBulk && await FetchAsync(directory, block, stored, cancellationToken).ConfigureAwait(false)
                    is NataliaException blockGone)
                    return blockGone;
                int length = Open(directory, block.Entry, reference, isProven, stored.Span);
                Placement placement = await _data.AddCompressedAsync(_compressed.AsMemory(0, length),
                    block.Entry.Codec, block.Entry.PlainLength, cancellationToken).ConfigureAwait(false);
                content.Set(block.Slot, new Reference(data.Run, placement.Pack, placement.Ordinal, reference.Hash));
                source.CountMoved(block.Entry.PlainLength);
            }
        }
        return null;
    }

    private Task<NataliaException?> FetchAsync(PackDirectory directory, BlockRange range,
        CancellationToken cancellationToken) =>
        FetchAsync(async () =>
    {
        await source.Packs.ReadExactlyAsync(directory, range.Offset, buffer.AsMemory(0, range.Length),
            cancellationToken).ConfigureAwait(false);
        source.CountFetched(range.Length);
    });

    private Task<NataliaException?> FetchAsync(PackDirectory directory, StoredBlock block, Memory<byte> stored,
        CancellationToken cancellationToken) =>
        FetchAsync(async () => await source.Window.ReadAsync(directory, block.Offset, stored,
            cancellationToken).ConfigureAwait(false));

    /// <returns>Null, or that the object has gone: of the source's store alone, so that nobody takes what the
    /// destination misses for it.</returns>
    private Task<NataliaException?> FetchAsync(Func<Task> readAsync) =>
        source.GuardAsync<NataliaException?>(async () =>
    {
        try
        {
            await readAsync().ConfigureAwait(false);
            return null;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return gone;
        }
    });

    /// <summary>Opens a segment's seal; its bytes, still compressed, are then in <see cref="_compressed"/>.</summary>
    /// <returns>How many they are.</returns>
    private int Open(PackDirectory directory, SegmentEntry entry, Reference reference, bool isProven,
        ReadOnlySpan<byte> stored)
    {
        try
        {
            SegmentCipher cipher = CipherOf(directory);
            int length = stored.Length - cipher.Overhead;
            if (entry.Codec is not (Codec.Stored or Codec.Zstd))
                throw new FormatException(
                    $"A segment uses codec {(int)entry.Codec}, which this version of the module does not know.");
            if (length <= 0 || length > _compressed.Length
                || entry.Codec == Codec.Stored && length != entry.PlainLength)
                throw new FormatException("A segment's length is not possible.");
            Span<byte> associated = stackalloc byte[SegmentCodec.MaximumAssociatedLength];
            int associatedLength = SegmentCodec.WriteAssociated(associated, directory.Envelope.Id,
                directory.Envelope.Kind, entry.Codec, entry.Ordinal, entry.PlainLength, null);
            Span<byte> compressed = _compressed.AsSpan(0, length);
            if (!cipher.TryOpen(entry.Ordinal, associated.Slice(0, associatedLength), stored, compressed))
                throw new SealBrokenException("A segment's seal is broken.");
            if (isProven) return length;
            Span<byte> plain = compressed;
            if (entry.Codec == Codec.Zstd)
                _data.Codec.Decompress(compressed, plain = _plain.AsSpan(0, entry.PlainLength));
            if (Hash256.Of(plain) != reference.Hash)
                throw new FormatException("A segment is whole, but not the one that the block map means.");
            return length;
        }
        catch (FormatException damage)
        {
            throw source.Damaged(PackReader.Damaged(directory.ObjectName, damage, entry.Ordinal));
        }
    }

    private SegmentCipher CipherOf(PackDirectory directory)
    {
        if (_cipher is not var (known, cipher) || !ReferenceEquals(known, directory))
        {
            _cipher?.Cipher.Dispose();
            cipher = source.Packs.CipherFor(directory);
            _cipher = (directory, cipher);
        }
        return cipher;
    }

    public void Dispose()
    {
        _cipher?.Cipher.Dispose();
        _data.Dispose();
    }
}
