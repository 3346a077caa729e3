using System.Buffers;
using System.Collections.Concurrent;
using Natalia.Backup.Engine.Compression;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Packs;

/// <summary>What a reader knows of one pack: its envelope, and under which name it was found.</summary>
internal sealed class PackDirectory
{
    private readonly long[] _offsets;

    internal PackDirectory(string objectName, Envelope envelope)
    {
        ObjectName = objectName;
        Envelope = envelope;
        _offsets = new long[envelope.Segments.Length];
        long at = envelope.BodyOffset;
        for (int i = 0; i < _offsets.Length; i++)
        {
            _offsets[i] = at;
            at += envelope.Segments[i].SealedLength;
        }
    }

    internal string ObjectName { get; }
    internal Envelope Envelope { get; }

    /// <summary>The segment's place, or null when the pack (or this revision of it) does not hold it.</summary>
    internal (SegmentEntry Entry, long Offset)? Find(int ordinal)
    {
        SegmentEntry[] segments = Envelope.Segments;
        int low = ordinal < segments.Length && segments[ordinal].Ordinal == ordinal ? ordinal
            : Array.BinarySearch(segments, new SegmentEntry(ordinal, 0, 0, Codec.Stored), s_byOrdinal);
        return low < 0 ? null : (segments[low], _offsets[low]);
    }

    private static readonly IComparer<SegmentEntry> s_byOrdinal =
        Comparer<SegmentEntry>.Create((a, b) => a.Ordinal.CompareTo(b.Ordinal));
}

/// <summary>
/// Finds, reads, opens and checks segments of an appliance's packs. Thread-safe; each worker brings its own
/// <see cref="SegmentCodec"/>. Segment tables are remembered, the latest 1,024 of them.
/// </summary>
/// <param name="store">Where they lie.</param>
/// <param name="applianceId">The appliance.</param>
/// <param name="keys">What they are sealed with.</param>
/// <param name="rememberedSegments">How many lines of segment tables are remembered at most; each takes 24
/// bytes.</param>
internal sealed class PackReader(IObjectStore store, string applianceId, ObjectKeys keys,
    int rememberedSegments = int.MaxValue)
{
    private const int RememberedPacks = 1024;

    /// <summary>One request fetches fixed fields, header and table of nearly every pack.</summary>
    private const int FirstRead = 64 * 1024;

    private readonly ConcurrentDictionary<(PackArea, Run, int), Task<PackDirectory>> _directories = new();
    private int _segments;

    /// <summary>Makes the zstd of one worker.</summary>
    internal Func<Zstd> NewZstd { get; init; } = Zstd.New;

    /// <summary>
    /// How many requests one worker has under way. A folder's answer as soon as they are asked; elsewhere each waits
    /// for the line, and the blocks of one leaf may lie in as many packs as the leaf has blocks.
    /// </summary>
    internal int ReadsAtOnce { get; } = store.Kind == "Folder" ? 1 : 16;

    /// <summary>Looks up again under which name each pack lies.</summary>
    internal void Forget()
    {
        _directories.Clear();
        Interlocked.Exchange(ref _segments, 0);
    }

    /// <summary>
    /// Looks up again under which name a pack lies: the object that this tells of has gone. An optimization that
    /// rewrote the pack deletes the old one when its grace is over, whoever has begun to read meanwhile. The caller
    /// finds each segment anew: it lies elsewhere in the new object.
    /// </summary>
    /// <exception cref="NataliaException"><c>PackMissing</c>, <c>ObjectDamaged</c>, a store error.</exception>
    internal Task<PackDirectory> FindAgainAsync(PackArea area, Run run, int pack, PackDirectory gone,
        CancellationToken cancellationToken)
    {
        (PackArea, Run, int) key = (area, run, pack);
        // Another worker may have found the new one already.
        if (_directories.TryGetValue(key, out Task<PackDirectory>? known)
            && known.Status == TaskStatus.RanToCompletion && ReferenceEquals(known.Result, gone))
            Forget(key, known);
        return GetDirectoryAsync(area, run, pack, cancellationToken);
    }

    private void Forget((PackArea, Run, int) key, Task<PackDirectory> task) =>
        ((ICollection<KeyValuePair<(PackArea, Run, int), Task<PackDirectory>>>)_directories).Remove(new(key, task));

    /// <exception cref="NataliaException"><c>PackMissing</c>, <c>ObjectDamaged</c>, a store error.</exception>
    internal async Task<PackDirectory> GetDirectoryAsync(PackArea area, Run run, int pack,
        CancellationToken cancellationToken)
    {
        if (_directories.Count > RememberedPacks || Volatile.Read(ref _segments) > rememberedSegments) Forget();
        (PackArea, Run, int) key = (area, run, pack);
        while (true)
        {
            Task<PackDirectory> task = _directories.GetOrAdd(key, _ => LoadAsync(area, run, pack, cancellationToken));
            try
            {
                return await task.ConfigureAwait(false);
            }
            catch (Exception failure)
            {
                // A failed load must not be remembered; one that another caller cancelled is tried again.
                Forget(key, task);
                if (failure is not OperationCanceledException || cancellationToken.IsCancellationRequested) throw;
            }
        }
    }

    private async Task<PackDirectory> LoadAsync(PackArea area, Run run, int pack, CancellationToken cancellationToken)
    {
        string name = Layout.Pack(applianceId, area, run, pack);
        PackDirectory directory;
        try
        {
            directory = await ReadDirectoryAsync(area, name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException missing) when (missing.ErrorId == ErrorIds.ObjectNotFound)
        {
            // What was listed may be replaced before it is read: then the next look finds what replaced it.
            directory = await FindRevisionAsync(area, name, cancellationToken).ConfigureAwait(false)
                ?? await FindRevisionAsync(area, name, cancellationToken).ConfigureAwait(false)
                ?? throw Missing(name, missing);
        }
        Interlocked.Add(ref _segments, directory.Envelope.Segments.Length);
        return directory;
    }

    /// <summary>
    /// A pack that was rewritten has the revision in its name. The highest one that is whole is taken: what only bears
    /// a higher number, or broke, must not hide it.
    /// </summary>
    /// <returns>Null when there is none.</returns>
    private async Task<PackDirectory?> FindRevisionAsync(PackArea area, string name,
        CancellationToken cancellationToken)
    {
        var revisions = new List<(int Revision, StoredObject Object)>();
        await foreach (StoredObject found in store.ListAsync(name + ".r", cancellationToken).ConfigureAwait(false))
        {
            if (Layout.RevisionOf(found.Name, name) is int revision) revisions.Add((revision, found));
        }
        revisions.Sort((a, b) => b.Revision.CompareTo(a.Revision));
        NataliaException? damage = null;
        for (int i = 0; i < revisions.Count; i++)
        {
            StoredObject item = revisions[i].Object;
            try
            {
                PackDirectory directory = await ReadDirectoryAsync(area, item.Name,
                    cancellationToken).ConfigureAwait(false);
                if (directory.Envelope.ObjectLength != item.Length)
                    throw Damaged(item.Name,
                        new FormatException(
                            $"The object has {item.Length} bytes and should have {directory.Envelope.ObjectLength}."));
                // Where there is another one to take, this one must prove itself. Rare: the older ones go when the
                // newest has been there for a while.
                if (i < revisions.Count - 1)
                    await RequireWholeAsync(item.Name, cancellationToken).ConfigureAwait(false);
                return directory;
            }
            catch (NataliaException trouble) when (trouble.ErrorId == ErrorIds.ObjectDamaged)
            {
                damage ??= trouble;
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Replaced since it was listed; what is damaged is told before what is missing.
            }
        }
        return damage is null ? null : throw damage;
    }

    /// <summary>What is told of a pack that is not there under any name.</summary>
    private NataliaException Missing(string name, NataliaException missing) =>
        new(ErrorIds.PackMissing, NataliaErrorKind.InvalidData,
            $"The pack '{name}' is missing from {store.Location}.", name,
            "Run Test-NataliaRepository -Full to see what else is missing; points that do not need the pack are not "
            + "affected.",
            missing);

    /// <summary>
    /// What is told when the object of a pack has gone once more after it was looked up again: nobody rewrites a pack
    /// twice within a request.
    /// </summary>
    internal NataliaException Missing(PackDirectory gone, NataliaException missing) =>
        Missing(Layout.PackOf(gone.ObjectName), missing);

    private async Task RequireWholeAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            SmallObject.Check(await store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false));
        }
        catch (FormatException damage)
        {
            throw Damaged(name, damage);
        }
    }

    /// <summary>Reads the beginning of one object that holds a pack, whatever others hold it too.</summary>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>, <c>ObjectDamaged</c>, a store error.</exception>
    internal async Task<PackDirectory> ReadDirectoryAsync(PackArea area, string name,
        CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(FirstRead);
        try
        {
            int read = await store.ReadAsync(name, 0, buffer.AsMemory(0, FirstRead),
                cancellationToken).ConfigureAwait(false);
            try
            {
                int prefix = Envelope.PrefixLength(buffer.AsSpan(0, read));
                byte[] bytes = buffer;
                if (prefix > read)
                {
                    if (prefix > ObjectLimits.PackPrefix)
                        throw new FormatException("The object's header is larger than that of any pack.");
                    bytes = new byte[prefix];
                    read = await store.ReadAsync(name, 0, bytes, cancellationToken).ConfigureAwait(false);
                }
                Envelope envelope = Envelope.Parse(bytes.AsSpan(0, Math.Min(prefix, read)));
                if (envelope.Kind != (area == PackArea.Data ? ObjectKind.DataPack : ObjectKind.MetaPack))
                    throw new FormatException($"The object is a {envelope.Kind}.");
                if (envelope.Cipher != keys.Cipher)
                    throw new FormatException("The object is not sealed the way its repository is.");
                return new PackDirectory(name, envelope);
            }
            catch (FormatException damage)
            {
                throw Damaged(name, damage);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// Reads one segment whole, and checks its bytes against the reference. What the store does not give, asked twice,
    /// is damage of the pack as a wrong byte is: one bad sector must not end whatever comes by it.
    /// </summary>
    /// <exception cref="NataliaException"><c>PackMissing</c>, <c>ObjectDamaged</c>, a store error.</exception>
    internal async Task<byte[]> ReadSegmentAsync(PackArea area, Reference reference, SegmentCodec codec,
        CancellationToken cancellationToken)
    {
        try
        {
            return await ReadSegmentOnceAsync(area, reference, codec, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException failure) when (failure.ErrorId == ErrorIds.StoreReadFailed)
        {
        }
        try
        {
            return await ReadSegmentOnceAsync(area, reference, codec, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException failure) when (failure.ErrorId == ErrorIds.StoreReadFailed)
        {
            string name = Layout.Pack(applianceId, area, reference.Run, reference.Pack);
            throw new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
                $"The pack '{name}' cannot be read: {failure.Message}", name,
                "Check the disk or share that holds the repository. Run Test-NataliaRepository -Full to see what else "
                + "cannot be read.",
                failure);
        }
    }

    private async Task<byte[]> ReadSegmentOnceAsync(PackArea area, Reference reference, SegmentCodec codec,
        CancellationToken cancellationToken)
    {
        PackDirectory directory = await GetDirectoryAsync(area, reference.Run, reference.Pack,
            cancellationToken).ConfigureAwait(false);
        try
        {
            return await ReadSegmentAsync(directory, reference, codec, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            directory = await FindAgainAsync(area, reference.Run, reference.Pack, directory,
                cancellationToken).ConfigureAwait(false);
        }
        try
        {
            return await ReadSegmentAsync(directory, reference, codec, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            throw Missing(directory, gone);
        }
    }

    private async Task<byte[]> ReadSegmentAsync(PackDirectory directory, Reference reference, SegmentCodec codec,
        CancellationToken cancellationToken)
    {
        (SegmentEntry entry, long offset) = directory.Find(reference.Ordinal)
            ?? throw NoSuchSegment(directory, reference);
        byte[] stored = ArrayPool<byte>.Shared.Rent(entry.SealedLength);
        try
        {
            await ReadExactlyAsync(directory, offset, stored.AsMemory(0, entry.SealedLength),
                cancellationToken).ConfigureAwait(false);
            var plain = new byte[entry.PlainLength];
            using SegmentCipher cipher = keys.For(directory.Envelope.Id, directory.Envelope.Kind);
            Open(directory, entry, reference, cipher, codec, stored.AsSpan(0, entry.SealedLength), plain);
            return plain;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
        }
    }

    internal SegmentCipher CipherFor(PackDirectory directory) =>
        keys.For(directory.Envelope.Id, directory.Envelope.Kind);

    /// <exception cref="NataliaException"><c>ObjectNotFound</c>: look up again with <see cref="FindAgainAsync"/>;
    /// <c>ObjectDamaged</c>, a store error.</exception>
    internal async Task ReadExactlyAsync(PackDirectory directory, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        int read = await store.ReadAsync(directory.ObjectName, offset, buffer, cancellationToken).ConfigureAwait(false);
        if (read != buffer.Length)
            throw Damaged(directory.ObjectName,
                new FormatException($"The object ends at byte {offset + read}, inside a segment."));
    }

    /// <summary>Opens a segment's stored bytes and checks the result against the reference.</summary>
    internal static void Open(PackDirectory directory, SegmentEntry entry, Reference reference, SegmentCipher cipher,
        SegmentCodec codec, ReadOnlySpan<byte> stored, Span<byte> plain)
    {
        Span<byte> associated = stackalloc byte[SegmentCodec.MaximumAssociatedLength];
        int length = SegmentCodec.WriteAssociated(associated, directory.Envelope.Id, directory.Envelope.Kind,
            entry.Codec, entry.Ordinal, entry.PlainLength, null);
        try
        {
            codec.Open(cipher, entry, associated.Slice(0, length), stored, plain);
            if (Hash256.Of(plain) != reference.Hash)
                throw new FormatException("A segment is whole, but not the one that the block map means.");
        }
        catch (FormatException damage)
        {
            throw Damaged(directory.ObjectName, damage, reference.Ordinal);
        }
    }

    internal static NataliaException NoSuchSegment(PackDirectory directory, Reference reference) =>
        Damaged(directory.ObjectName,
            new FormatException("The pack does not hold the segment that the block map means."), reference.Ordinal);

    internal static NataliaException Damaged(string name, FormatException damage, int? ordinal = null) =>
        new(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
        $"The pack '{name}' is damaged{(ordinal is int o ? $" at segment {o}" : "")}: {damage.Message}", name,
        "Run Test-NataliaRepository -Full to see what else is damaged. The next full backup stores again what the "
        + "newest point needs.",
        damage);
}
