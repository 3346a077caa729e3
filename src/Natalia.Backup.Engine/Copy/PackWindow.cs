using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Copy;

/// <summary>
/// Reads packs in large pieces and remembers the latest of them. A backup's workers fill a pack together, so that the
/// blocks of neighbouring leaves lie among each other: read leaf by leaf, the same bytes would be fetched several
/// times. Thread-safe; memory is bounded, and used again.
/// </summary>
internal sealed class PackWindow(PackReader packs, Action<long> onFetched)
{
    private const int PieceBytes = 4 << 20;
    private const int RememberedPieces = 12;

    private readonly object _gate = new();
    private readonly LinkedList<Piece> _pieces = new();

    /// <summary>Copies bytes of a pack.</summary>
    /// <exception cref="NataliaException"><c>ObjectDamaged</c>, a store error.</exception>
    internal async ValueTask ReadAsync(PackDirectory directory, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        while (buffer.Length > 0)
        {
            Piece piece = Take(directory, offset / PieceBytes, cancellationToken);
            try
            {
                int available = await piece.Loading.ConfigureAwait(false);
                int at = (int)(offset % PieceBytes), length = Math.Min(buffer.Length, available - at);
                piece.Bytes.AsMemory(at, length).CopyTo(buffer);
                offset += length;
                buffer = buffer.Slice(length);
            }
            finally
            {
                lock (_gate) piece.Users--;
            }
        }
    }

    /// <summary>The piece, loading or loaded; the caller counts as its user until it says otherwise.</summary>
    private Piece Take(PackDirectory directory, long number, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            LinkedListNode<Piece>? free = null;
            for (LinkedListNode<Piece>? node = _pieces.First; node is not null; node = node.Next)
            {
                Piece piece = node.Value;
                if (piece.Number == number && ReferenceEquals(piece.Directory, directory) && !piece.Loading.IsFaulted
                    && !piece.Loading.IsCanceled)
                {
                    _pieces.Remove(node);
                    _pieces.AddLast(node);
                    piece.Users++;
                    return piece;
                }
                if (free is null && piece.Users == 0) free = node;
            }
            byte[]? bytes = null;
            if (free is not null && _pieces.Count >= RememberedPieces)
            {
                bytes = free.Value.Bytes;
                _pieces.Remove(free);
            }
            var fresh = new Piece(directory, number, bytes ?? new byte[PieceBytes]) { Users = 1 };
            fresh.Loading = Task.Run(() => LoadAsync(fresh, cancellationToken), CancellationToken.None);
            _pieces.AddLast(fresh);
            return fresh;
        }
    }

    private async Task<int> LoadAsync(Piece piece, CancellationToken cancellationToken)
    {
        // What lies behind the last segment is of no use here.
        long start = piece.Number * PieceBytes,
            end = piece.Directory.Envelope.BodyOffset + piece.Directory.Envelope.BodyLength;
        int length = (int)Math.Min(PieceBytes, end - start);
        await packs.ReadExactlyAsync(piece.Directory, start, piece.Bytes.AsMemory(0, length),
            cancellationToken).ConfigureAwait(false);
        onFetched(length);
        return length;
    }

    private sealed class Piece(PackDirectory directory, long number, byte[] bytes)
    {
        internal PackDirectory Directory => directory;
        internal long Number => number;
        internal byte[] Bytes => bytes;

        /// <summary>How many of its bytes are there, in the end.</summary>
        internal Task<int> Loading { get; set; } = null!;

        /// <summary>
        /// How many wait for it or copy from it. A reader stays a user until loading has ended, so that nobody else
        /// gets its bytes while they are written.
        /// </summary>
        internal int Users { get; set; }
    }
}
