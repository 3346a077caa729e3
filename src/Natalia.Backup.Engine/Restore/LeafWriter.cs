using System.Collections.Concurrent;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Engine.Restore;

/// <summary>
/// Writes leaves to a target while the next ones are read. A write that waits for a disk does so on a thread of its
/// own, so that as many workers as there are processors go on opening and decompressing. Thread-safe.
/// </summary>
/// <param name="target">Where to.</param>
/// <param name="sizeBytes">The disk's size.</param>
/// <param name="buffers">How many leaves are read or written at once; a slow target slows the readers instead of
/// filling the memory.</param>
internal sealed class LeafWriter(IDiskTarget target, long sizeBytes, int buffers) : IDisposable
{
    private readonly SemaphoreSlim _free = new(buffers, buffers);
    private readonly ConcurrentBag<LeafBuffer> _buffers = [];
    private readonly List<Task> _underWay = [];

    /// <summary>Waits for room for one more leaf. Whoever takes it calls <see cref="WriteAsync"/>, or fails the
    /// export.</summary>
    internal async Task<LeafBuffer> RentAsync(CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken).ConfigureAwait(false);
        return _buffers.TryTake(out LeafBuffer? buffer) ? buffer : new LeafBuffer();
    }

    /// <summary>Begins to write a leaf; its buffer is free when that has ended.</summary>
    /// <param name="buffer">What <see cref="RentAsync"/> gave.</param>
    /// <param name="leaf">The leaf's number.</param>
    /// <param name="runs">Which of its blocks are written: the first and the last slot of neighbours.</param>
    internal Task WriteAsync(LeafBuffer buffer, long leaf, IReadOnlyList<(int First, int Last)> runs,
        CancellationToken cancellationToken)
    {
        if (runs.Count == 0)
        {
            Return(buffer);
            return Task.CompletedTask;
        }
        Task writing = OwnThread.RunAsync(async () =>
        {
            try
            {
                foreach ((int first, int last) in runs)
                {
                    long offset = ((leaf << BlockGeometry.FanOutBits) + first) * BlockGeometry.BlockBytes;
                    await target.WriteAsync(offset, buffer.Blocks(first, last, leaf, sizeBytes),
                        cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                Return(buffer);
            }
        }, CancellationToken.None);
        lock (_underWay)
        {
            _underWay.RemoveAll(w => w.IsCompleted);
            _underWay.Add(writing);
        }
        return writing;
    }

    /// <summary>
    /// Waits until nothing is written any more; whether it went well is told to those who began it. Nothing may be
    /// begun any more.
    /// </summary>
    internal async Task SettleAsync()
    {
        Task[] rest;
        lock (_underWay) rest = [.. _underWay];
        foreach (Task writing in rest)
        {
            // Waits without throwing.
            await Task.WhenAny(writing).ConfigureAwait(false);
            _ = writing.Exception;
        }
    }

    private void Return(LeafBuffer buffer)
    {
        _buffers.Add(buffer);
        _free.Release();
    }

    /// <summary>Nothing may be under way any more.</summary>
    public void Dispose() => _free.Dispose();
}
