namespace Natalia.Backup.Serving.Disks;

/// <summary>
/// Remembers the blocks that were read last, at most a fixed number of them. A block that is being loaded is loaded
/// once for all who want it; one that is pinned stays. Thread-safe.
/// </summary>
/// <param name="capacity">How many blocks.</param>
/// <param name="blockBytes">How many bytes each has.</param>
internal sealed class BlockCache(int capacity, int blockBytes)
{
    private readonly object _gate = new();
    private readonly Dictionary<long, Entry> _entries = [];
    private readonly LinkedList<Entry> _idle = [];
    private readonly Stack<byte[]> _spare = new();

    /// <summary>A block, from when somebody began to load it.</summary>
    internal sealed class Entry
    {
        private readonly TaskCompletionSource<bool> _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Entry(long block, byte[] bytes) => (Block, Bytes, Idle) = (block, bytes,
            new LinkedListNode<Entry>(this));

        internal long Block { get; }
        internal byte[] Bytes { get; }
        internal int Pins { get; set; } = 1;
        internal bool HasFailed { get; private set; }
        internal LinkedListNode<Entry> Idle { get; }

        /// <summary>Ends when the bytes are there; fails as their loading did.</summary>
        internal Task Loaded => _loaded.Task;

        internal void Complete() => _loaded.TrySetResult(true);

        internal void Fail(Exception failure)
        {
            HasFailed = true;
            _loaded.TrySetException(failure);
            // Nobody may be waiting.
            _ = _loaded.Task.Exception;
        }
    }

    /// <summary>How many blocks it holds now.</summary>
    internal int Count
    {
        get { lock (_gate) return _entries.Count; }
    }

    /// <summary>Pins a block. The caller unpins it.</summary>
    /// <param name="block">Its number.</param>
    /// <param name="isNew">True when it is not there: the caller loads it, and completes or fails the entry.</param>
    internal Entry Pin(long block, out bool isNew)
    {
        lock (_gate)
        {
            isNew = !_entries.TryGetValue(block, out Entry? entry) || entry.HasFailed;
            if (!isNew)
            {
                if (entry!.Pins++ == 0) _idle.Remove(entry.Idle);
                return entry;
            }
            if (_entries.Count >= capacity) Evict();
            entry = new Entry(block, _spare.Count > 0 ? _spare.Pop() : new byte[blockBytes]);
            _entries[block] = entry;
            return entry;
        }
    }

    /// <summary>Pins a block that is not there; null when it is, or when everything is pinned.</summary>
    internal Entry? PinAbsent(long block)
    {
        lock (_gate)
        {
            if (_entries.ContainsKey(block) || _entries.Count >= capacity && _idle.Count == 0) return null;
            return Pin(block, out _);
        }
    }

    internal void Unpin(Entry entry)
    {
        lock (_gate)
        {
            if (--entry.Pins > 0) return;
            bool isCurrent = _entries.TryGetValue(entry.Block, out Entry? known) && ReferenceEquals(known, entry);
            if (isCurrent && !entry.HasFailed && _entries.Count <= capacity)
            {
                _idle.AddFirst(entry.Idle);
                return;
            }
            if (isCurrent) _entries.Remove(entry.Block);
            if (_entries.Count + _spare.Count < capacity) _spare.Push(entry.Bytes);
        }
    }

    private void Evict()
    {
        if (_idle.Last is not LinkedListNode<Entry> oldest) return;
        _idle.RemoveLast();
        _entries.Remove(oldest.Value.Block);
        _spare.Push(oldest.Value.Bytes);
    }
}
