using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Testing;

/// <summary>
/// A disk in memory that counts what is read of it. Sees later changes of its array: a test that wants a frozen state
/// gives a copy.
/// </summary>
public class MemoryDiskSource(byte[] bytes) : IDiskSource
{
    private long _readBytes;

    public byte[] Bytes => bytes;

    /// <summary>What <see cref="GetAllocatedExtentsAsync"/> says; the whole disk unless told.</summary>
    public IReadOnlyList<Extent>? Allocated { get; init; }

    /// <summary>Called before every read; throws to make it fail.</summary>
    public Action<long, int>? OnRead { get; init; }

    public long ReadBytes => Interlocked.Read(ref _readBytes);

    public bool IsDisposed { get; private set; }

    public long SizeBytes => bytes.Length;

    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Yield();
        foreach (Extent extent in Allocated ?? (bytes.Length == 0 ? [] : [new Extent(0, bytes.Length)]))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return extent;
        }
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        OnRead?.Invoke(offset, buffer.Length);
        bytes.AsSpan(checked((int)offset), buffer.Length).CopyTo(buffer.Span);
        Interlocked.Add(ref _readBytes, buffer.Length);
        return ValueTask.CompletedTask;
    }

    public void Dispose() => IsDisposed = true;
}
