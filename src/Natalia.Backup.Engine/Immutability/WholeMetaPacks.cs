using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>
/// Reads a pack of nodes whole when any part of it is wanted, and remembers the latest ones: for walks that need nearly
/// all of them. Everything else passes through. Does not own the inner store.
/// </summary>
internal sealed class WholeMetaPacks(IObjectStore inner) : WrappedStore(inner)
{
    private const long MaximumBytes = 64L << 20;
    private readonly Dictionary<string, byte[]> _packs = new(StringComparer.Ordinal);
    private readonly Queue<string> _oldest = new();
    private long _bytes;

    public override async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        if (!name.Contains("/meta/"))
            return await Inner.ReadAsync(name, offset, buffer, cancellationToken).ConfigureAwait(false);
        if (!_packs.TryGetValue(name, out byte[]? bytes))
        {
            bytes = await ReadWholeAsync(name, cancellationToken).ConfigureAwait(false);
            _packs[name] = bytes;
            _oldest.Enqueue(name);
            _bytes += bytes.Length;
            while (_bytes > MaximumBytes && _oldest.Count > 1)
            {
                string first = _oldest.Dequeue();
                _bytes -= _packs[first].Length;
                _packs.Remove(first);
            }
        }
        if (offset >= bytes.Length) return 0;
        int count = Math.Min(buffer.Length, bytes.Length - (int)offset);
        bytes.AsMemory((int)offset, count).CopyTo(buffer);
        return count;
    }

    private async Task<byte[]> ReadWholeAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await Inner.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (FormatException damage)
        {
            throw PackReader.Damaged(name, damage);
        }
    }

    protected override void Dispose(bool disposing) { }
}
