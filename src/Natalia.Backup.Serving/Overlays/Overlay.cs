using Natalia.Backup.Engine;

namespace Natalia.Backup.Serving.Overlays;

/// <summary>
/// What was written over a disk: a file of clusters of 64 KiB, and a journal in it that tells which block lies where.
/// Room is taken for what is written only. After a crash everything is there that was flushed: bytes are made durable
/// before the journal names them, records carry a checksum, and a cluster that was given up is used again only when the
/// journal says so durably. Thread-safe; the index takes some 40 bytes of memory for each cluster, and as much again
/// for one that lies apart from the others.
/// </summary>
/// <remarks>
/// Cluster 0 holds the header, twice (<see cref="OverlayHeader"/>). A journal's cluster holds records of 32 bytes
/// (<see cref="OverlayRecord"/>), the last of which may name the next one; the journal ends with the first that is
/// none. Later records count before earlier ones. When most of it is outdated a new one is written under a higher
/// generation.
/// </remarks>
internal sealed class Overlay : IDisposable
{
    internal const int ClusterBytes = 64 * 1024, SectorBytes = 4096, SectorsInCluster = ClusterBytes / SectorBytes;
    internal const ushort AllSectors = ushort.MaxValue;

    private const int RecordsInCluster = ClusterBytes / OverlayRecord.Bytes;

    /// <summary>So many changes are kept in memory before the journal is written without being asked to.</summary>
    private const int LargestPending = 16 * 1024;

    /// <summary>More stretches of zeros than these are written as zeros.</summary>
    private const int LargestZeroes = 64 * 1024;

    private readonly object _gate = new();
    private readonly SemaphoreSlim _flush = new(1, 1);
    private readonly ClusterFile _file;
    private readonly OverlayIdentity _identity;
    private readonly long _limitClusters;
    private readonly Dictionary<long, Place> _places = [];
    private readonly BlockSet _written = new();
    private readonly BlockRanges _zeros = new();
    private readonly Stack<int> _free = new();
    private List<int> _givenUp = [];
    private List<OverlayRecord> _pending = [];
    private Journal _journal = new(1);
    private int _clusters;
    private NataliaException? _failure;

    /// <summary>Where a block lies.</summary>
    /// <param name="Cluster">The cluster.</param>
    /// <param name="Mask">Its sectors that were written; the others are the disk's below.</param>
    internal readonly record struct Place(int Cluster, ushort Mask);

    /// <summary>A journal and where it ends.</summary>
    private sealed class Journal(ulong generation)
    {
        internal ulong Generation => generation;
        internal List<int> Clusters { get; } = [];
        internal int NextRecord { get; set; }
        internal int Records { get; set; }
        internal long Offset =>
            (long)Clusters[Clusters.Count - 1] * ClusterBytes + NextRecord * OverlayRecord.Bytes;
    }

    private Overlay(ClusterFile file, OverlayIdentity identity, long limitBytes) =>
        (_file, _identity, _limitClusters) = (file, identity, Math.Min(limitBytes / ClusterBytes, int.MaxValue));

    internal string FilePath => _file.FilePath;

    /// <summary>How many bytes the file takes at most now.</summary>
    internal long TakenBytes
    {
        get { lock (_gate) return (long)(_clusters - _free.Count) * ClusterBytes; }
    }

    /// <summary>Makes an overlay, or goes on with one that was kept.</summary>
    /// <exception cref="NataliaException"><c>OverlayMismatch</c>, <c>OverlayInvalid</c>, <c>OverlayInUse</c>,
    /// <c>OverlayFull</c>, <c>OverlayFailed</c>, <c>DestinationExists</c>.</exception>
    internal static Overlay Open(string path, OverlayIdentity identity, long limitBytes, bool keep)
    {
        ClusterFile file = ClusterFile.Open(path, keep);
        try
        {
            var overlay = new Overlay(file, identity, limitBytes);
            if (overlay.WasNeverMade()) overlay.Make();
            else overlay.Load();
            return overlay;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private void Make()
    {
        _clusters = 2;
        if (_limitClusters < _clusters) throw Full();
        _journal.Clusters.Add(1);
        _file.Write(ClusterBytes, new byte[ClusterBytes]);
        _file.Write(0, new OverlayHeader(_identity, _journal.Generation, 1).Encode());
        _file.Flush();
    }

    /// <summary>
    /// What a death while an overlay was made leaves: zeros, for the header comes last. Nothing was written over the
    /// disk then.
    /// </summary>
    private bool WasNeverMade()
    {
        if (_file.Length > 2 * ClusterBytes) return false;
        var bytes = new byte[2 * ClusterBytes];
        _file.Read(0, bytes);
        return bytes.All(b => b == 0);
    }

    private void Load()
    {
        var bytes = new byte[2 * OverlayHeader.Bytes];
        _file.Read(0, bytes);
        OverlayHeader? first = OverlayHeader.Read(bytes.AsSpan(0, OverlayHeader.Bytes));
        OverlayHeader? second = OverlayHeader.Read(bytes.AsSpan(OverlayHeader.Bytes));
        OverlayHeader header = (second is not null && (first is null || second.Generation > first.Generation)
            ? second
            : first) ?? throw Invalid("it does not begin as an overlay does");
        if (header.Identity != _identity)
            throw new NataliaException(ErrorIds.OverlayMismatch, NataliaErrorKind.InvalidArgument,
                $"The overlay '{FilePath}' was written over disk '{header.Identity.DiskId}' of the point "
                + $"{header.Identity.RestorePointId}, and not over disk '{_identity.DiskId}' of the point "
                + $"{_identity.RestorePointId}.", FilePath,
                "Serve the point that it belongs to, or name another file.");
        _journal = new Journal(header.Generation);
        _clusters = (int)Math.Min((_file.Length + ClusterBytes - 1) / ClusterBytes, int.MaxValue);
        Replay(header.Journal);
        var used = new HashSet<int>(_places.Values.Select(p => p.Cluster).Concat(_journal.Clusters)) { 0 };
        _givenUp.Clear();
        if (used.Count != _places.Count + _journal.Clusters.Count + 1) throw Invalid("two blocks lie at one place");
        for (int cluster = _clusters - 1; cluster > 0; cluster--)
        {
            if (!used.Contains(cluster)) _free.Push(cluster);
        }
        EndJournal();
    }

    private void Replay(long next)
    {
        long blocks = (_identity.SizeBytes + ClusterBytes - 1) / ClusterBytes;
        var cluster = new byte[ClusterBytes];
        while (true)
        {
            if (next <= 0 || next >= _clusters || _journal.Clusters.Contains((int)next))
                throw Invalid("its journal is broken");
            _journal.Clusters.Add((int)next);
            _file.Read(next * ClusterBytes, cluster);
            next = 0;
            for (_journal.NextRecord = 0; _journal.NextRecord < RecordsInCluster && next == 0; _journal.NextRecord++)
            {
                if (OverlayRecord.Read(cluster.AsSpan(_journal.NextRecord * OverlayRecord.Bytes), _journal.Generation)
                    is not OverlayRecord record)
                    return;
                _journal.Records++;
                if (record.Kind == OverlayRecordKind.Continued) next = record.First;
                else if (record.First < 0 || record.First >= blocks) throw Invalid("it has a block outside the disk");
                else if (record.Kind == OverlayRecordKind.Zeroed)
                {
                    if (record.Second <= 0 || record.Second > blocks - record.First)
                        throw Invalid("it has zeros outside the disk");
                    Forget(record.First, record.Second);
                    _zeros.Add(record.First, record.Second);
                }
                else
                {
                    if (record.Second <= 0 || record.Second >= _clusters)
                        throw Invalid("it has a block outside the file");
                    _zeros.Remove(record.First, 1);
                    _places[record.First] = new Place((int)record.Second, record.Mask);
                    _written.Add(record.First);
                }
            }
            if (next == 0) throw Invalid("its journal is cut off");
        }
    }

    /// <summary>
    /// After a loss of power, records may lie behind one that never came to be. They must not be taken for what follows
    /// the records that are written next.
    /// </summary>
    private void EndJournal()
    {
        var rest = new byte[ClusterBytes - _journal.NextRecord * OverlayRecord.Bytes];
        _file.Read(_journal.Offset, rest);
        if (rest.All(b => b == 0)) return;
        _file.Write(_journal.Offset, new byte[rest.Length]);
        _file.Flush();
    }

    /// <summary>Where a block lies; null when it was not written. Then it is zeros, or the disk's below.</summary>
    internal Place? Find(long block, out bool isZero)
    {
        lock (_gate)
        {
            if (_places.TryGetValue(block, out Place place))
            {
                isZero = false;
                return place;
            }
            isZero = _zeros.Count > 0 && _zeros.Contains(block);
            return null;
        }
    }

    /// <summary>
    /// The first block from one on of which the overlay says something; the last one that is asked for plus one when it
    /// says nothing.
    /// </summary>
    internal long NextWritten(long block, long end)
    {
        lock (_gate)
        {
            return Math.Min(Math.Min(end, _zeros.NextIn(block)), _written.NextIn(block));
        }
    }

    /// <summary>The first block from one on, and before another one, that was not written; else that other
    /// one.</summary>
    internal long WrittenEnd(long block, long end)
    {
        lock (_gate) return _written.NextOut(block, end);
    }

    /// <summary>The first block from one on that is not zeros by the overlay's word.</summary>
    internal long ZerosEnd(long block)
    {
        lock (_gate) return _zeros.NextOut(block);
    }

    internal void Read(Place place, int offset, Span<byte> buffer) =>
        _file.Read((long)place.Cluster * ClusterBytes + offset, buffer);

    /// <summary>
    /// Writes whole sectors of a block. The caller lets nobody else write or read the block meanwhile.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="offset">Where in it they begin.</param>
    /// <param name="bytes">The bytes.</param>
    /// <exception cref="NataliaException"><c>OverlayFull</c>, <c>OverlayFailed</c>.</exception>
    internal void Write(long block, int offset, ReadOnlySpan<byte> bytes)
    {
        ThrowIfFailed();
        Place? known = Find(block, out bool isZero);
        int cluster = known?.Cluster ?? Allocate();
        try
        {
            if (isZero && bytes.Length < ClusterBytes)
            {
                // A cluster that is used again still holds something else.
                var whole = new byte[ClusterBytes];
                bytes.CopyTo(whole.AsSpan(offset));
                _file.Write((long)cluster * ClusterBytes, whole);
            }
            else _file.Write((long)cluster * ClusterBytes + offset, bytes);
        }
        catch when (known is null)
        {
            lock (_gate) _free.Push(cluster);
            throw;
        }
        ushort mask = isZero
            ? AllSectors
            : (ushort)((known?.Mask ?? 0) | Mask(offset / SectorBytes, (offset + bytes.Length
                + SectorBytes - 1) / SectorBytes));
        lock (_gate)
        {
            if (known?.Mask == mask) return;
            _places[block] = new Place(cluster, mask);
            _written.Add(block);
            if (isZero) _zeros.Remove(block, 1);
            _pending.Add(new OverlayRecord(OverlayRecordKind.Mapped, block, cluster, mask));
        }
    }

    /// <summary>
    /// Makes whole blocks zeros without taking room. The caller lets nobody else write or read those that were written.
    /// </summary>
    /// <returns>False when there are too many stretches of zeros already: the caller writes them.</returns>
    internal bool Zero(long first, long count)
    {
        ThrowIfFailed();
        lock (_gate)
        {
            if (_zeros.Count >= LargestZeroes) return false;
            Forget(first, count);
            _zeros.Add(first, count);
            _pending.Add(new OverlayRecord(OverlayRecordKind.Zeroed, first, count, 0));
            return true;
        }
    }

    /// <summary>Whether so much changed since the last flush that one is due.</summary>
    internal bool NeedsFlush
    {
        get { lock (_gate) return _pending.Count >= LargestPending; }
    }

    /// <summary>Makes durable what was written before.</summary>
    /// <exception cref="NataliaException"><c>OverlayFull</c>, <c>OverlayFailed</c>. After a flush that failed nobody
    /// knows what of the file is durable: everything that follows fails.</exception>
    internal async Task FlushAsync(CancellationToken cancellationToken)
    {
        await _flush.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ThrowIfFailed();
            List<OverlayRecord> records;
            List<int> givenUp;
            List<OverlayRecord>? all = null;
            lock (_gate)
            {
                // What is named here was written before it was noted: the flush below covers it.
                if (_journal.Records + _pending.Count > 4L * (_places.Count + _zeros.Count) + LargestPending)
                    all = [.. _zeros.All.Select(z => new OverlayRecord(OverlayRecordKind.Zeroed, z.First, z.Count, 0)),
                        .. _places.Select(p => new OverlayRecord(OverlayRecordKind.Mapped, p.Key, p.Value.Cluster,
                            p.Value.Mask))];
                (records, _pending) = (_pending, []);
                (givenUp, _givenUp) = (_givenUp, []);
            }
            try
            {
                _file.Flush();
                if (all is not null) Rewrite(all);
                else if (records.Count > 0) Append(_journal, records);
            }
            catch (NataliaException full) when (full.ErrorId == ErrorIds.OverlayFull)
            {
                // Nothing is lost: what could not be noted is noted when there is room.
                lock (_gate)
                {
                    _pending.InsertRange(0, records);
                    _givenUp.InsertRange(0, givenUp);
                }
                throw;
            }
            catch (NataliaException failure)
            {
                _failure = failure;
                throw;
            }
            lock (_gate)
            {
                foreach (int cluster in givenUp) _free.Push(cluster);
            }
        }
        finally
        {
            _flush.Release();
        }
    }

    /// <summary>Appends records and makes them durable. Where that fails for want of room it may be done
    /// again.</summary>
    private void Append(Journal journal, IReadOnlyList<OverlayRecord> records)
    {
        int at = 0;
        while (at < records.Count)
        {
            // The last record of a cluster is for the name of the next one.
            int count = Math.Min(records.Count - at, RecordsInCluster - 1 - journal.NextRecord);
            if (count == 0)
            {
                int next = NewJournalCluster();
                var link = new byte[OverlayRecord.Bytes];
                new OverlayRecord(OverlayRecordKind.Continued, next, 0, 0).Write(link, journal.Generation);
                _file.Write(journal.Offset, link);
                journal.Clusters.Add(next);
                journal.NextRecord = 0;
                continue;
            }
            var bytes = new byte[count * OverlayRecord.Bytes];
            for (int i = 0; i < count; i++)
                records[at + i].Write(bytes.AsSpan(i * OverlayRecord.Bytes), journal.Generation);
            _file.Write(journal.Offset, bytes);
            journal.NextRecord += count;
            journal.Records += count;
            at += count;
        }
        _file.Flush();
    }

    /// <summary>
    /// A cluster of zeros: what a guest once wrote there must not be read as records. May go beyond the limit, which is
    /// for what clients write.
    /// </summary>
    private int NewJournalCluster()
    {
        int cluster;
        lock (_gate) cluster = _free.Count > 0 ? _free.Pop() : _clusters++;
        try
        {
            _file.Write((long)cluster * ClusterBytes, new byte[ClusterBytes]);
            _file.Flush();
            return cluster;
        }
        catch
        {
            lock (_gate) _free.Push(cluster);
            throw;
        }
    }

    /// <summary>Writes a journal of everything, and lets the header name it.</summary>
    private void Rewrite(List<OverlayRecord> all)
    {
        var journal = new Journal(_journal.Generation + 1);
        try
        {
            journal.Clusters.Add(NewJournalCluster());
            Append(journal, all);
        }
        catch
        {
            lock (_gate) journal.Clusters.ForEach(_free.Push);
            throw;
        }
        _file.Write(journal.Generation % 2 == 0 ? OverlayHeader.Bytes : 0,
            new OverlayHeader(_identity, journal.Generation, journal.Clusters[0]).Encode());
        _file.Flush();
        lock (_gate) _journal.Clusters.ForEach(_free.Push);
        _journal = journal;
    }

    private int Allocate()
    {
        lock (_gate)
        {
            if (_free.Count > 0) return _free.Pop();
            if (_clusters >= _limitClusters) throw Full();
            return _clusters++;
        }
    }

    private void Forget(long first, long count)
    {
        for (long block = _written.NextIn(first); block < first + count; block = _written.NextIn(block))
        {
            _givenUp.Add(_places[block].Cluster);
            _places.Remove(block);
            _written.Remove(block);
        }
    }

    private static ushort Mask(int firstSector, int endSector) =>
        (ushort)(((1 << endSector) - 1) & ~((1 << firstSector) - 1));

    private void ThrowIfFailed()
    {
        if (_failure is NataliaException failure)
            throw new NataliaException(failure.ErrorId, failure.Kind, failure.Message, failure.Target,
                failure.RecommendedAction, failure);
    }

    private NataliaException Full() => new(ErrorIds.OverlayFull, NataliaErrorKind.LimitExceeded,
        $"The overlay '{FilePath}' has reached its limit of {_limitClusters * ClusterBytes} bytes.", FilePath,
        "Mount the point again with a higher -OverlayLimit; a kept overlay goes on.");

    private NataliaException Invalid(string why) => new(ErrorIds.OverlayInvalid, NataliaErrorKind.InvalidData,
        $"'{FilePath}' is no overlay that can be used: {why}.", FilePath,
        "Name the file that a mount with -KeepOverlay has left, or one that is not there.");

    public void Dispose() => _file.Dispose();
}
