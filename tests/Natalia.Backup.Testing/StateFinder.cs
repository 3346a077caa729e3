using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;

namespace Natalia.Backup.Testing;

/// <summary>
/// A disk target that keeps nothing: it tells which of some states of a disk was written to it. Tests that restore some
/// thousand times spend most of their time on the first touch of new memory otherwise.
/// </summary>
public sealed class StateFinder : IDiskTarget
{
    private static readonly byte[] s_zeros = new byte[64 * 1024];
    private readonly byte[][] _states;
    private readonly bool[] _isOther;
    private readonly List<(long Start, long End)> _written = [];
    private long _sizeBytes = -1;
    private bool _isComplete;

    private StateFinder(byte[][] states)
    {
        _states = states;
        _isOther = new bool[states.Length];
    }

    /// <summary>Restores a disk of a point.</summary>
    /// <param name="repository">Where the point is.</param>
    /// <param name="point">The point.</param>
    /// <param name="diskId">The disk; null for the only one.</param>
    /// <param name="states">What it may be.</param>
    /// <returns>The first of the states that it is, byte for byte; -1 when it is none of them.</returns>
    public static async Task<int> FindAsync(Repository repository, RestorePoint point, string? diskId,
        params byte[][] states)
    {
        using var target = new StateFinder(states);
        await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(diskId, target, null, default);
        Assert.True(target._isComplete);
        return target.Find();
    }

    /// <summary>Whether a disk of a point is this state, byte for byte.</summary>
    public static async Task<bool> IsAsync(Repository repository, RestorePoint point, byte[] state,
        string? diskId = null) =>
        await FindAsync(repository, point, diskId, state) == 0;

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => true;

    /// <inheritdoc/>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        Assert.Equal(-1, _sizeBytes);
        _sizeBytes = sizeBytes;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Assert.InRange(offset, 0, _sizeBytes - bytes.Length);
        lock (_written)
        {
            _written.Add((offset, offset + bytes.Length));
            for (int i = 0; i < _states.Length; i++)
                _isOther[i] = _isOther[i] || _states[i].Length != _sizeBytes
                    || !_states[i].AsSpan((int)offset, bytes.Length).SequenceEqual(bytes.Span);
        }
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public Task CompleteAsync(CancellationToken cancellationToken)
    {
        _isComplete = true;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private int Find()
    {
        _written.Sort();
        for (int i = 0; i < _states.Length; i++)
            if (!_isOther[i] && _states[i].Length == _sizeBytes && IsZeroElsewhere(_states[i])) return i;
        return -1;
    }

    /// <summary>What was not written reads as zeros.</summary>
    private bool IsZeroElsewhere(byte[] state)
    {
        long at = 0;
        foreach ((long start, long end) in _written)
        {
            Assert.True(start >= at, $"the bytes at {start} were written twice");
            if (!IsZero(state, at, start)) return false;
            at = end;
        }
        return IsZero(state, at, state.Length);
    }

    private static bool IsZero(byte[] state, long start, long end)
    {
        for (long at = start; at < end; at += s_zeros.Length)
        {
            int count = (int)Math.Min(s_zeros.Length, end - at);
            if (!state.AsSpan((int)at, count).SequenceEqual(s_zeros.AsSpan(0, count))) return false;
        }
        return true;
    }
}
