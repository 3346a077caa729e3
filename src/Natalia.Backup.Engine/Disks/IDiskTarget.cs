namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Where a disk is restored to: a file, a hypervisor's import stream. It reads as zeros wherever nothing was written.
/// </summary>
public interface IDiskTarget : IDisposable
{
    /// <summary>Told once, before the first write.</summary>
    /// <param name="sizeBytes">The disk's virtual size in bytes.</param>
    Task BeginAsync(long sizeBytes, CancellationToken cancellationToken);

    /// <summary>
    /// True when writes may come in any order and from several threads at once; false when they must come ascending,
    /// one after another.
    /// </summary>
    bool AcceptsAnyOrder { get; }

    /// <summary>Writes bytes at an offset. Ranges never overlap.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="bytes">The bytes.</param>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>
    /// Everything was written: flush, and publish under the final name. Without this call, disposing leaves nothing
    /// behind.
    /// </summary>
    Task CompleteAsync(CancellationToken cancellationToken);
}
