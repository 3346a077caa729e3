using System.Buffers;
using System.Buffers.Binary;
using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Network;

namespace Natalia.Backup.Serving.Nbd;

/// <summary>
/// The requests of one connection. They are worked on beside each other and answered as they end; what they take of
/// memory is bounded whatever they ask for.
/// </summary>
/// <param name="stream">The connection.</param>
/// <param name="reader">What reads from it.</param>
/// <param name="disk">The disk.</param>
/// <param name="structured">Whether replies to reads come in chunks.</param>
/// <param name="allocation">Whether the client may ask what is allocated.</param>
internal sealed class NbdSession(Stream stream, PeerReader reader, IServedDisk disk, bool structured, bool allocation)
    : IDisposable
{
    /// <summary>The number of <c>base:allocation</c> in this session.</summary>
    internal const uint AllocationId = 1;

    private const int PieceBytes = 512 * 1024, Units = 64, UnitBytes = 64 * 1024, MostExtents = 1024;

    /// <summary>So many steps of one answer about what is allocated: each may read a leaf of the block map.</summary>
    private const int MostSteps = 4096;

    private readonly PeerWriter _writer = new(stream);
    private readonly Room _room = new(Units, UnitBytes);
    private readonly RunningTasks _running = new();

    private readonly record struct Request(ushort Flags, ushort Command, ulong Cookie, ulong Offset, uint Length)
    {
        internal bool Has(ushort flag) => (Flags & flag) != 0;
    }

    /// <summary>Serves until the client goes, or breaks the protocol.</summary>
    internal async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            var head = new byte[28];
            while (true)
            {
                await reader.ReadAsync(head, stop.Token).ConfigureAwait(false);
                if (BinaryPrimitives.ReadUInt32BigEndian(head) != NbdWords.RequestMagic) return;
                var request = new Request(BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(4)),
                    BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(6)),
                    BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(8)),
                    BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(16)),
                    BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(24)));
                if (request.Command == NbdWords.Disconnect)
                {
                    // What was asked for before is answered before the connection ends.
                    await _running.WhenAllAsync().ConfigureAwait(false);
                    return;
                }
                if (request.Command == NbdWords.Write)
                {
                    // The bytes that follow are too many to be skipped, and may be anything.
                    if (request.Length > NbdWords.LargestPayload) return;
                    await WriteAsync(request, stop.Token).ConfigureAwait(false);
                    continue;
                }
                int taken = await _room.TakeAsync(
                    request.Command == NbdWords.Read ? (int)Math.Min(request.Length, PieceBytes) : 1,
                    stop.Token).ConfigureAwait(false);
                // Begins here, on the reader: so reads are seen in the order in which they came.
                _running.Add(ServeAsync(request, taken, stop));
            }
        }
        finally
        {
            stop.Cancel();
            await _running.WhenAllAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Never throws: where the answer cannot be sent, the connection ends.</summary>
    private async Task ServeAsync(Request request, int taken, CancellationTokenSource stop)
    {
        try
        {
            if (Refusal(request) is uint refusal) await FailAsync(request, refusal, stop.Token).ConfigureAwait(false);
            else await AnswerAsync(request, stop.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            stop.Cancel();
            stream.Dispose();
        }
        finally
        {
            _room.Give(taken);
        }
    }

    private async Task AnswerAsync(Request request, CancellationToken cancellationToken)
    {
        uint? error = null;
        try
        {
            switch (request.Command)
            {
                case NbdWords.Read:
                    await ReadAsync(request, cancellationToken).ConfigureAwait(false);
                    return;
                case NbdWords.BlockStatus:
                    await TellStatusAsync(request, cancellationToken).ConfigureAwait(false);
                    return;
                case NbdWords.Flush:
                    await disk.FlushAsync(cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    await disk.WriteZeroesAsync((long)request.Offset, request.Length,
                        cancellationToken).ConfigureAwait(false);
                    if (request.Has(NbdWords.FlagFua)) await disk.FlushAsync(cancellationToken).ConfigureAwait(false);
                    break;
            }
        }
        catch (NataliaException failure)
        {
            error = ErrorOf(failure);
        }
        if (error is uint code) await FailAsync(request, code, cancellationToken).ConfigureAwait(false);
        else await SucceedAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What is wrong with a request as such; null when nothing is.</summary>
    private uint? Refusal(Request request)
    {
        ushort allowed = request.Command switch
        {
            NbdWords.Read => NbdWords.FlagDf,
            NbdWords.Write or NbdWords.Trim => NbdWords.FlagFua,
            NbdWords.WriteZeroes => NbdWords.FlagFua | NbdWords.FlagNoHole,
            NbdWords.BlockStatus => NbdWords.FlagReqOne,
            _ => 0,
        };
        // Qemu sends FUA with whatever it likes, as the protocol allows.
        if ((request.Flags & ~(allowed | NbdWords.FlagFua)) != 0 || request.Command > NbdWords.BlockStatus
            || request.Command == NbdWords.Cache)
            return NbdWords.Invalid;
        if (request.Command == NbdWords.Flush) return null;
        bool writes = request.Command is NbdWords.Write or NbdWords.Trim or NbdWords.WriteZeroes;
        if (writes && disk.IsReadOnly) return NbdWords.NotPermitted;
        if (request.Offset > (ulong)disk.SizeBytes || request.Length > (ulong)disk.SizeBytes - request.Offset)
            return writes ? NbdWords.NoSpace : NbdWords.Invalid;
        if (request.Command == NbdWords.Read && request.Length > NbdWords.LargestPayload) return NbdWords.Overflow;
        if (request.Has(NbdWords.FlagDf) && (!structured || request.Length > PieceBytes)) return NbdWords.Overflow;
        if (request.Command == NbdWords.BlockStatus && (!allocation || request.Length == 0)) return NbdWords.Invalid;
        return null;
    }

    private async Task ReadAsync(Request request, CancellationToken cancellationToken)
    {
        long offset = (long)request.Offset, end = offset + request.Length;
        if (structured && offset == end) await SucceedAsync(request, cancellationToken).ConfigureAwait(false);
        else if (structured)
        {
            while (offset < end)
            {
                int length = (int)Math.Min(end - offset, PieceBytes);
                if (!await SendPieceAsync(request, offset, length, offset + length == end,
                    cancellationToken).ConfigureAwait(false))
                    return;
                offset += length;
            }
        }
        else await ReadSimpleAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <returns>False when it failed, and that was the answer.</returns>
    private async Task<bool> SendPieceAsync(Request request, long offset, int length, bool isLast,
        CancellationToken cancellationToken)
    {
        const int Head = 28;
        byte[] bytes = ArrayPool<byte>.Shared.Rent(Head + length);
        try
        {
            try
            {
                await disk.ReadAsync(offset, bytes.AsMemory(Head, length), cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException failure)
            {
                await FailAsync(request, ErrorOf(failure), cancellationToken).ConfigureAwait(false);
                return false;
            }
            WriteChunk(bytes, isLast, NbdWords.ChunkData, request.Cookie, 8 + length);
            BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(20), offset);
            await _writer.WriteAsync(bytes, Head + length, cancellationToken).ConfigureAwait(false);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>
    /// Without chunks nothing may come between the parts of an answer, and an error after the first one cannot be told:
    /// then the connection ends.
    /// </summary>
    private async Task ReadSimpleAsync(Request request, CancellationToken cancellationToken)
    {
        const int Head = 16;
        long offset = (long)request.Offset, end = offset + request.Length;
        int first = (int)Math.Min(request.Length, PieceBytes);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(Head + first);
        try
        {
            try
            {
                await disk.ReadAsync(offset, bytes.AsMemory(Head, first), cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException failure)
            {
                await FailAsync(request, ErrorOf(failure), cancellationToken).ConfigureAwait(false);
                return;
            }
            WriteSimple(bytes, 0, request.Cookie);
            await _writer.TogetherAsync(async peer =>
            {
                await peer.WriteAsync(bytes, 0, Head + first, cancellationToken).ConfigureAwait(false);
                for (offset += first; offset < end;)
                {
                    int length = (int)Math.Min(end - offset, first);
                    try
                    {
                        await disk.ReadAsync(offset, bytes.AsMemory(0, length), cancellationToken)
                            .ConfigureAwait(false);
                    }
                    catch (NataliaException failure)
                    {
                        // Before anybody else has a turn: what he sends would be taken for the disk's bytes.
                        stream.Dispose();
                        throw new IOException("An answer that had begun cannot be ended.", failure);
                    }
                    await peer.WriteAsync(bytes, 0, length, cancellationToken).ConfigureAwait(false);
                    offset += length;
                }
            }, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>
    /// The bytes of a write are taken from the connection at once and written as they come, in pieces; what cannot be
    /// written is taken all the same, since the next request begins behind it.
    /// </summary>
    private async Task WriteAsync(Request request, CancellationToken cancellationToken)
    {
        uint? error = Refusal(request);
        long offset = (long)request.Offset;
        long left = request.Length;
        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max(left, 1), PieceBytes));
        try
        {
            while (left > 0)
            {
                Memory<byte> piece = bytes.AsMemory(0, (int)Math.Min(left, Math.Min(bytes.Length, PieceBytes)));
                await reader.ReadAsync(piece, cancellationToken).ConfigureAwait(false);
                left -= piece.Length;
                if (error is not null) continue;
                try
                {
                    await disk.WriteAsync(offset, piece, cancellationToken).ConfigureAwait(false);
                }
                catch (NataliaException failure)
                {
                    error = ErrorOf(failure);
                }
                offset += piece.Length;
            }
            if (error is null && request.Has(NbdWords.FlagFua))
            {
                try
                {
                    await disk.FlushAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (NataliaException failure)
                {
                    error = ErrorOf(failure);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
        if (error is uint code) await FailAsync(request, code, cancellationToken).ConfigureAwait(false);
        else await SucceedAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private async Task TellStatusAsync(Request request, CancellationToken cancellationToken)
    {
        var extents = new List<(uint Length, uint Flags)>();
        long offset = (long)request.Offset, end = offset + request.Length;
        int most = request.Has(NbdWords.FlagReqOne) ? 1 : MostExtents;
        for (int step = 0; offset < end && step < MostSteps; step++)
        {
            DiskExtent extent = await disk.GetExtentAsync(offset, end - offset,
                cancellationToken).ConfigureAwait(false);
            uint flags = extent.IsHole ? NbdWords.Hole | NbdWords.Zero : 0;
            if (extents.Count > 0 && extents[extents.Count - 1] is var last && last.Flags == flags)
                extents[extents.Count - 1] = (last.Length + (uint)extent.Length, flags);
            else if (extents.Count == most) break;
            else extents.Add(((uint)extent.Length, flags));
            offset += extent.Length;
        }
        var bytes = new byte[20 + 4 + 8 * extents.Count];
        WriteChunk(bytes, true, NbdWords.ChunkStatus, request.Cookie, bytes.Length - 20);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(20), AllocationId);
        for (int i = 0; i < extents.Count; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24 + 8 * i), extents[i].Length);
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(28 + 8 * i), extents[i].Flags);
        }
        await _writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
    }

    private Task SucceedAsync(Request request, CancellationToken cancellationToken)
    {
        if (structured && request.Command == NbdWords.Read)
        {
            var chunk = new byte[20];
            WriteChunk(chunk, true, NbdWords.ChunkNone, request.Cookie, 0);
            return _writer.WriteAsync(chunk, cancellationToken);
        }
        var bytes = new byte[16];
        WriteSimple(bytes, 0, request.Cookie);
        return _writer.WriteAsync(bytes, cancellationToken);
    }

    private Task FailAsync(Request request, uint error, CancellationToken cancellationToken)
    {
        if (!structured || request.Command is not (NbdWords.Read or NbdWords.BlockStatus))
        {
            var simple = new byte[16];
            WriteSimple(simple, error, request.Cookie);
            return _writer.WriteAsync(simple, cancellationToken);
        }
        var bytes = new byte[26];
        WriteChunk(bytes, true, NbdWords.ChunkError, request.Cookie, 6);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(20), error);
        return _writer.WriteAsync(bytes, cancellationToken);
    }

    private static uint ErrorOf(NataliaException failure) => failure.ErrorId switch
    {
        ErrorIds.OverlayFull => NbdWords.NoSpace,
        ErrorIds.ServedDiskReadOnly => NbdWords.NotPermitted,
        _ => NbdWords.InputOutput,
    };

    private static void WriteSimple(Span<byte> bytes, uint error, ulong cookie)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdWords.SimpleMagic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.Slice(4), error);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.Slice(8), cookie);
    }

    private static void WriteChunk(Span<byte> bytes, bool isLast, ushort type, ulong cookie, int length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdWords.StructuredMagic);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.Slice(4), isLast ? NbdWords.ChunkDone : (ushort)0);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.Slice(6), type);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.Slice(8), cookie);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.Slice(16), (uint)length);
    }

    public void Dispose()
    {
        _writer.Dispose();
        _room.Dispose();
    }
}
