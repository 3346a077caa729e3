using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A disk in an image file that has its own order: each part of the disk is somewhere in the file, in that of a parent,
/// or nowhere and zero. Any number of threads may read at once. Memory does not grow with the disk: of the tables that
/// tell where things are, a few pages are held.
/// </summary>
public abstract class MappedImage : IDiskSource
{
    /// <summary>Holes shorter than this are not worth a request of their own.</summary>
    private const long SmallestHole = 64 * 1024;

    private readonly MappedImage? _parent;

    private protected MappedImage(IDiskSource file, long sizeBytes, MappedImage? parent = null)
    {
        File = file;
        SizeBytes = sizeBytes;
        _parent = parent;
    }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <summary>The image's file, byte for byte as it is used.</summary>
    internal IDiskSource File { get; }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>; <c>DiskImageInvalid</c> where the image's tables lead
    /// out of the file.</exception>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > SizeBytes - buffer.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), "The range must lie inside the disk.");
        while (!buffer.IsEmpty)
        {
            ImageRun run = await FindAsync(offset, buffer.Length, cancellationToken).ConfigureAwait(false);
            Memory<byte> part = buffer.Slice(0, (int)run.Length);
            if (run.Kind == ImageRunKind.Stored)
                await ReadStoredAsync(run, offset, part, cancellationToken).ConfigureAwait(false);
            else
            {
                int inParent = run.Kind == ImageRunKind.Parent && _parent is not null
                    ? (int)Math.Max(0, Math.Min(part.Length, _parent.SizeBytes - offset))
                    : 0;
                if (inParent > 0)
                    await _parent!.ReadAsync(offset, part.Slice(0, inParent), cancellationToken).ConfigureAwait(false);
                part.Span.Slice(inParent).Clear();
            }
            offset += part.Length;
            buffer = buffer.Slice(part.Length);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var held = new Extent(0, 0);
        await foreach (Extent next in FindStoredAsync(0, SizeBytes, cancellationToken).ConfigureAwait(false))
        {
            if (held.Length > 0 && next.Offset - held.End < SmallestHole)
            {
                held = held with { Length = next.End - held.Offset };
                continue;
            }
            if (held.Length > 0) yield return held;
            held = next;
        }
        if (held.Length > 0) yield return held;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The path of the image.</summary>
    public override string ToString() => File.ToString() ?? "";

    /// <summary>Closes the file, and the parent's.</summary>
    /// <param name="disposing">Always true.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        File.Dispose();
        _parent?.Dispose();
    }

    /// <summary>Where the bytes from an offset on are, as far as they are all in one place.</summary>
    /// <param name="offset">Inside the disk.</param>
    /// <param name="most">How many are asked for, 1 or more; the answer is never longer.</param>
    private protected abstract ValueTask<ImageRun> FindAsync(long offset, long most,
        CancellationToken cancellationToken);

    /// <summary>Reads what is stored in the file; most formats store it as it is.</summary>
    private protected virtual ValueTask ReadStoredAsync(ImageRun run, long offset, Memory<byte> part,
        CancellationToken cancellationToken) =>
        File.ReadAsync(run.FileOffset, part, cancellationToken);

    private async IAsyncEnumerable<Extent> FindStoredAsync(long from, long to,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (from < to)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ImageRun run = await FindAsync(from, to - from, cancellationToken).ConfigureAwait(false);
            long end = from + run.Length;
            if (run.Kind == ImageRunKind.Stored) yield return new Extent(from, run.Length);
            else if (run.Kind == ImageRunKind.Parent && _parent is not null)
            {
                await foreach (Extent below in _parent.FindStoredAsync(from, Math.Min(end, _parent.SizeBytes),
                    cancellationToken).ConfigureAwait(false))
                    yield return below;
            }
            from = end;
        }
    }
}
