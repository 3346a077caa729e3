using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Copy;

/// <summary>
/// Reads packs in large pieces and remembers the latest of them. A backup's workers fill a pack together, so that the blocks of neighbouring leaves lie among each other: read leaf by leaf, the same bytes would be fetched
/// several times. Thread-safe; memory is bounded.
/// </summary>
internal sealed class PackWindow(PackReader packs, Action<long> onFetched)
{
    internal const int PieceBytes = 4 << 20;
    private const int RememberedPieces = 24;

    private readonly object _gate = new();
    private readonly Dictionary<(string, long), LinkedListNode<(string Name, long Piece, Task<byte[]> Bytes)>> _pieces = [];
    private readonly LinkedList<(string Name, long Piece, Task<byte[]> Bytes)> _latest = new();

    /// <summary>Copies bytes of a pack.</summary>
    /// <exception cref="NataliaException"><c>ObjectDamaged</c>, a store error.</exception>
    internal async ValueTask ReadAsync(PackDirectory directory, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (buffer.Length > 0)
        {
            long piece = offset / PieceBytes;
            byte[] bytes = await GetAsync(directory, piece, cancellationToken).ConfigureAwait(false);
            int at = (int)(offset - piece * PieceBytes);
            int length = Math.Min(buffer.Length, bytes.Length - at);
            bytes.AsMemory(at, length).CopyTo(buffer);
            offset += length;
            buffer = buffer.Slice(length);
        }
    }

    private async Task<byte[]> GetAsync(PackDirectory directory, long piece, CancellationToken cancellationToken)
    {
        Task<byte[]> task;
        lock (_gate)
        {
            if (_pieces.TryGetValue((directory.ObjectName, piece), out LinkedListNode<(string Name, long Piece, Task<byte[]> Bytes)>? known) && !known.Value.Bytes.IsFaulted && !known.Value.Bytes.IsCanceled)
            {
                _latest.Remove(known);
                _latest.AddLast(known);
                task = known.Value.Bytes;
            }
            else
            {
                if (known is not null) _latest.Remove(known);
                task = Task.Run(() => LoadAsync(directory, piece, cancellationToken), CancellationToken.None);
                _pieces[(directory.ObjectName, piece)] = _latest.AddLast((directory.ObjectName, piece, task));
                if (_latest.Count > RememberedPieces)
                {
                    _pieces.Remove((_latest.First!.Value.Name, _latest.First.Value.Piece));
                    _latest.RemoveFirst();
                }
            }
        }
        return await task.ConfigureAwait(false);
    }

    private async Task<byte[]> LoadAsync(PackDirectory directory, long piece, CancellationToken cancellationToken)
    {
        // What lies behind the last segment is of no use here.
        long start = piece * PieceBytes, end = directory.Envelope.BodyOffset + directory.Envelope.BodyLength;
        var bytes = new byte[(int)Math.Min(PieceBytes, end - start)];
        await packs.ReadExactlyAsync(directory, start, bytes, cancellationToken).ConfigureAwait(false);
        onFetched(bytes.Length);
        return bytes;
    }
}
