using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.Tests.VSphere;

/// <summary>What a large disk holds, where nearly all of it is zeros.</summary>
internal sealed class SparseDisk
{
    private const int Block = 64 * 1024;

    private readonly Dictionary<long, byte[]> _blocks = [];

    internal SparseDisk()
    {
    }

    private SparseDisk(SparseDisk other)
    {
        foreach ((long block, byte[] bytes) in other._blocks) _blocks[block] = (byte[])bytes.Clone();
    }

    internal SparseDisk Clone() => new(this);

    internal void Write(long offset, byte[] bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            long block = (offset + at) / Block;
            int inBlock = (int)((offset + at) % Block), now = Math.Min(Block - inBlock, bytes.Length - at);
            if (!_blocks.TryGetValue(block, out byte[]? there)) _blocks[block] = there = new byte[Block];
            bytes.AsSpan(at, now).CopyTo(there.AsSpan(inBlock));
            at += now;
        }
    }

    /// <summary>Takes a restored disk, and fails when it is another one.</summary>
    internal Target Compare() => new(this);

    internal sealed class Target(SparseDisk expected) : IDiskTarget
    {
        private readonly HashSet<long> _seen = [];
        private bool _isComplete;

        public bool AcceptsAnyOrder => false;

        public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Assert.Equal(0, offset % Block);
            for (int at = 0; at < bytes.Length; at += Block)
            {
                ReadOnlySpan<byte> part = bytes.Span.Slice(at, Math.Min(Block, bytes.Length - at));
                long block = (offset + at) / Block;
                bool isSame = expected._blocks.TryGetValue(block, out byte[]? there)
                    ? part.SequenceEqual(there.AsSpan(0, part.Length))
                    : part.IndexOfAnyExcept((byte)0) < 0;
                Assert.True(isSame, $"block {block} is another one");
                _seen.Add(block);
            }
            return default;
        }

        public Task CompleteAsync(CancellationToken cancellationToken)
        {
            _isComplete = true;
            return Task.CompletedTask;
        }

        public void Dispose()
        {
        }

        internal void AssertSame()
        {
            Assert.True(_isComplete);
            foreach ((long block, byte[] bytes) in expected._blocks)
                Assert.True(_seen.Contains(block) || bytes.AsSpan().IndexOfAnyExcept((byte)0) < 0,
                    $"block {block} is missing");
        }
    }
}
