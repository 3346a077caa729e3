namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Pages of the tables of image files, those that were used last. The images of a chain share one, so that what is held
/// does not grow with the chain either. Any number of threads may read at once.
/// </summary>
internal sealed class TableCache
{
    internal const int PageBytes = 64 * 1024;

    private const int MostPages = 64;

    private readonly Dictionary<(IDiskSource File, long Page), LinkedListNode<Entry>> _pages = [];
    private readonly LinkedList<Entry> _byUse = [];

    /// <summary>
    /// The page that begins at the offset or before it, by multiples of <see cref="PageBytes"/> in the file; shorter at
    /// the file's end.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">Inside the file.</param>
    internal ValueTask<byte[]> GetAsync(IDiskSource file, long offset, CancellationToken cancellationToken)
    {
        (IDiskSource, long) key = (file, offset / PageBytes);
        lock (_pages)
        {
            if (_pages.TryGetValue(key, out LinkedListNode<Entry>? found))
            {
                if (found != _byUse.First)
                {
                    _byUse.Remove(found);
                    _byUse.AddFirst(found);
                }
                return new ValueTask<byte[]>(found.Value.Bytes);
            }
        }
        return new ValueTask<byte[]>(ReadAsync(file, offset / PageBytes, cancellationToken));
    }

    private async Task<byte[]> ReadAsync(IDiskSource file, long page, CancellationToken cancellationToken)
    {
        long start = page * PageBytes;
        var bytes = new byte[(int)Math.Min(PageBytes, file.SizeBytes - start)];
        await file.ReadAsync(start, bytes, cancellationToken).ConfigureAwait(false);
        lock (_pages)
        {
            // Two threads may have read it at once.
            if (_pages.ContainsKey((file, page))) return bytes;
            if (_pages.Count == MostPages)
            {
                _pages.Remove(_byUse.Last!.Value.Key);
                _byUse.RemoveLast();
            }
            _pages.Add((file, page), _byUse.AddFirst(new Entry((file, page), bytes)));
        }
        return bytes;
    }

    private sealed record Entry((IDiskSource File, long Page) Key, byte[] Bytes);
}
