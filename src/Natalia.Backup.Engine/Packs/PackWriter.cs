using System.Security.Cryptography;
using Natalia.Backup.Engine.Compression;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Packs;

/// <summary>Where a segment went.</summary>
internal readonly record struct Placement(int Pack, int Ordinal);

/// <summary>
/// Fills packs of one run and one area from several workers at once. A worker compresses on its own, reserves a place
/// in the open pack under a short lock, and seals straight into it; full packs are stored in the background. The first
/// error poisons the writer: nothing more is stored, and every later call throws it.
/// </summary>
/// <remarks>
/// A pack is often stored after the work that filled it has ended, so uploads follow the writer's own token, which
/// lives as long as the round: a cancellation ends them at once, the normal end of the work does not.
/// </remarks>
internal sealed class PackWriter(IObjectStore store, string applianceId, PackArea area, Run run, ObjectKeys keys,
    PackBuffers buffers, CancellationToken round)
    : IDisposable
{
    /// <summary>Keeps a pack's segment table small even where every block is nearly empty.</summary>
    private const int MaximumSegments = 16384;

    /// <summary>Makes the zstd of one worker.</summary>
    internal Func<Zstd> NewZstd { get; init; } = Zstd.New;

    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(round);
    private readonly object _gate = new();
    private readonly SemaphoreSlim _rotation = new(1, 1);
    private readonly List<Task> _uploads = [];
    private readonly List<PackInfo> _packs = [];
    private OpenPack? _current;
    private int _nextNumber;
    private long _storedBytes;
    private Exception? _failure;

    private ObjectKind Kind => area == PackArea.Data ? ObjectKind.DataPack : ObjectKind.MetaPack;

    internal Run Run => run;

    /// <summary>Bytes of segments taken in so far, sealed; grows before they are stored.</summary>
    internal long StoredBytes => Interlocked.Read(ref _storedBytes);

    /// <summary>The working memory of one worker.</summary>
    internal Worker NewWorker() => new(this);

    /// <summary>Stores what is still open and waits until every pack is stored.</summary>
    /// <returns>All packs of the run in this area, by number.</returns>
    internal async Task<IReadOnlyList<PackInfo>> CompleteAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _current?.Close();
            _current = null;
        }
        await DrainAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            if (_failure is not null) throw Rethrow(_failure);
            return _packs.OrderBy(p => p.Number).ToArray();
        }
    }

    /// <summary>
    /// Gives up: ends the puts that are under way, waits until there are none, and stores nothing more.
    /// </summary>
    internal async Task AbandonAsync()
    {
        lock (_gate)
        {
            _failure ??= new OperationCanceledException();
            _current?.Close();
            _current = null;
        }
        _stop.Cancel();
        await DrainAsync().ConfigureAwait(false);
    }

    public void Dispose() => _stop.Dispose();

    private void Poison(Exception failure)
    {
        lock (_gate) _failure ??= failure;
    }

    private async Task DrainAsync()
    {
        while (true)
        {
            Task[] pending;
            lock (_gate) pending = _uploads.Where(u => !u.IsCompleted).ToArray();
            if (pending.Length == 0) return;
            await Task.WhenAll(pending).ConfigureAwait(false);
        }
    }

    private async Task<(OpenPack Pack, int Ordinal, int Offset)> ReserveAsync(int plainLength, int sealedLength,
        Codec codec, CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_failure is not null) throw Rethrow(_failure);
                if (_current is not null
                    && _current.TryReserve(plainLength, sealedLength, codec, out int ordinal, out int offset))
                {
                    Interlocked.Add(ref _storedBytes, sealedLength);
                    return (_current, ordinal, offset);
                }
            }
            await _rotation.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                lock (_gate)
                {
                    if (_failure is not null) throw Rethrow(_failure);
                    if (_current is not null && _current.HasRoom(sealedLength)) continue;
                    _current?.Close();
                    _current = null;
                }
                byte[] buffer = await buffers.RentAsync(cancellationToken).ConfigureAwait(false);
                lock (_gate)
                {
                    if (_failure is not null)
                    {
                        buffers.Return(buffer);
                        throw Rethrow(_failure);
                    }
                    _current = new OpenPack(this, _nextNumber++, buffer);
                }
            }
            finally
            {
                _rotation.Release();
            }
        }
    }

    private void Enqueue(OpenPack pack)
    {
        var upload = Task.Run(() => StoreAsync(pack));
        lock (_gate)
        {
            _uploads.RemoveAll(u => u.IsCompleted);
            _uploads.Add(upload);
        }
    }

    private async Task StoreAsync(OpenPack pack)
    {
        try
        {
            lock (_gate)
            {
                if (_failure is not null) return;
            }
            _stop.Token.ThrowIfCancellationRequested();
            var envelope = new Envelope
            {
                Kind = Kind,
                Cipher = keys.Cipher,
                Id = pack.Id,
                Header = [],
                Segments = pack.Table(),
            };
            byte[] prefix = envelope.EncodePrefix();
            var trailer = new byte[Envelope.TrailerLength];
            using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
            {
                hash.AppendData(prefix);
                hash.AppendData(pack.Buffer, 0, pack.Length);
                hash.GetHashAndReset().CopyTo(trailer, 0);
            }
            var content = new ObjectContent(prefix, pack.Buffer.AsMemory(0, pack.Length), trailer);
            PutOptions options = area == PackArea.Data ? PutOptions.Data : PutOptions.Metadata;
            await store.PutAsync(Layout.Pack(applianceId, area, run, pack.Number), content, options,
                _stop.Token).ConfigureAwait(false);
            lock (_gate)
                _packs.Add(new PackInfo(area, pack.Number, pack.Id, content.Length, envelope.Segments.Length,
                    Hash256.Read(trailer)));
        }
        catch (Exception failure)
        {
            Poison(failure);
        }
        finally
        {
            buffers.Return(pack.Buffer);
        }
    }

    private static Exception Rethrow(Exception failure)
    {
        System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(failure).Throw();
        return failure;
    }

    /// <summary>Compresses and seals for one thread at a time.</summary>
    internal sealed class Worker(PackWriter writer) : IDisposable
    {
        private OpenPack? _sealedFor;
        private SegmentCipher? _cipher;

        internal SegmentCodec Codec { get; } = new(writer.NewZstd());

        /// <summary>Adds one segment.</summary>
        /// <param name="plain">Its bytes; not needed any more when the call has ended.</param>
        internal async ValueTask<Placement> AddAsync(ReadOnlyMemory<byte> plain, CancellationToken cancellationToken)
        {
            ReadOnlyMemory<byte> bytes = Codec.Compress(plain, out Codec how);
            return await AddCompressedAsync(bytes, how, plain.Length, cancellationToken).ConfigureAwait(false);
        }

        /// <summary>Adds one segment whose bytes are compressed already.</summary>
        /// <param name="bytes">Its bytes as the codec left them; not needed any more when the call has ended.</param>
        /// <param name="how">The codec.</param>
        /// <param name="plainLength">Its length before compression, in bytes.</param>
        internal async ValueTask<Placement> AddCompressedAsync(ReadOnlyMemory<byte> bytes, Codec how, int plainLength,
            CancellationToken cancellationToken)
        {
            int sealedLength = bytes.Length + writer.SealOverhead;
            (OpenPack pack, int ordinal, int offset) = await writer.ReserveAsync(plainLength, sealedLength, how,
                cancellationToken).ConfigureAwait(false);
            try
            {
                Seal(pack, how, ordinal, offset, plainLength, bytes.Span);
            }
            catch (Exception failure)
            {
                // The reserved place holds nothing that may be stored.
                writer.Poison(failure);
                throw;
            }
            finally
            {
                pack.Filled();
            }
            return new Placement(pack.Number, ordinal);
        }

        private void Seal(OpenPack pack, Codec how, int ordinal, int offset, int plainLength, ReadOnlySpan<byte> bytes)
        {
            if (!ReferenceEquals(_sealedFor, pack))
            {
                _cipher?.Dispose();
                _cipher = writer.NewCipher(pack.Id);
                _sealedFor = pack;
            }
            Span<byte> associated = stackalloc byte[SegmentCodec.MaximumAssociatedLength];
            int length = SegmentCodec.WriteAssociated(associated, pack.Id, writer.Kind, how, ordinal, plainLength,
                null);
            _cipher!.Seal(ordinal, associated.Slice(0, length), bytes,
                pack.Buffer.AsSpan(offset, bytes.Length + _cipher.Overhead));
        }

        public void Dispose()
        {
            _cipher?.Dispose();
            Codec.Dispose();
        }
    }

    private int SealOverhead => keys.Cipher == Cipher.None ? 0 : SegmentCipher.TagLength;

    private SegmentCipher NewCipher(Id128 id) => keys.For(id, Kind);

    /// <summary>A pack that is being filled. Stored when it is closed and every reserved place is filled.</summary>
    private sealed class OpenPack(PackWriter writer, int number, byte[] buffer)
    {
        private readonly List<SegmentEntry> _table = [];
        private int _pending = 1;

        internal int Number => number;
        internal byte[] Buffer => buffer;
        internal Id128 Id { get; } = Id128.NewRandom();
        internal int Length { get; private set; }

        internal bool HasRoom(int sealedLength) =>
            _table.Count < MaximumSegments && Length + sealedLength <= buffer.Length;

        internal bool TryReserve(int plainLength, int sealedLength, Codec codec, out int ordinal, out int offset)
        {
            ordinal = _table.Count;
            offset = Length;
            if (!HasRoom(sealedLength))
            {
                if (Length == 0) throw new InvalidOperationException("A segment is larger than a pack.");
                return false;
            }
            _table.Add(new SegmentEntry(ordinal, plainLength, sealedLength, codec));
            Length += sealedLength;
            Interlocked.Increment(ref _pending);
            return true;
        }

        internal SegmentEntry[] Table() => _table.ToArray();

        internal void Close() => Filled();

        internal void Filled()
        {
            if (Interlocked.Decrement(ref _pending) == 0) writer.Enqueue(this);
        }
    }
}
