using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>
/// A disk in VMDK format, in one file or in several: flat, sparse and stream-optimised. The format is that of VMware's
/// Virtual Disk Format 5.0. Any number of threads may read at once.
/// </summary>
public sealed class VmdkDiskSource : IDiskSource
{
    private readonly string _name;
    private readonly IDiskSource? _text;
    private readonly (Extent Place, IDiskSource? Source)[] _parts;

    private VmdkDiskSource(string name, IDiskSource? text, IReadOnlyList<(long Bytes, IDiskSource? Source)> parts)
    {
        _name = name;
        _text = text;
        _parts = new (Extent, IDiskSource?)[parts.Count];
        for (int i = 0; i < parts.Count; i++)
        {
            _parts[i] = (new Extent(SizeBytes, parts[i].Bytes), parts[i].Source);
            SizeBytes += parts[i].Bytes;
        }
    }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <summary>Opens the disk of a file: one that holds the bytes, or the text that names the files that do.</summary>
    /// <param name="file">The file, byte for byte. It is closed with the disk, and at once when this fails.</param>
    /// <param name="parts">Finds other files; null where none are allowed.</param>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskReadFailed</c>; <c>DiskNotFound</c> when a file of the image is not there; what
    /// <paramref name="parts"/> throws.</exception>
    public static async Task<VmdkDiskSource> OpenAsync(IDiskSource file, IImageParts? parts,
        CancellationToken cancellationToken)
    {
        var opened = new List<(long Bytes, IDiskSource? Source)>();
        try
        {
            var fault = new ImageFault("VMDK", file);
            byte[] first = await fault.ReadAsync(0, (int)Math.Min(4, file.SizeBytes), "its beginning",
                cancellationToken).ConfigureAwait(false);
            if (VmdkHeader.IsHeader(first))
            {
                VmdkSparseSource sparse = await OpenWholeAsync(fault, cancellationToken).ConfigureAwait(false);
                return new VmdkDiskSource(file.ToString() ?? "", null, [(sparse.SizeBytes, sparse)]);
            }
            VmdkDescriptor descriptor = await ReadTextAsync(fault, cancellationToken).ConfigureAwait(false);
            if (descriptor.HasParent) throw HasParent(fault);
            if (descriptor.Extents.Count == 0) throw fault.Invalid("it names no file that would hold the disk's bytes");
            foreach (VmdkExtent extent in descriptor.Extents)
                opened.Add((extent.SizeBytes, await OpenExtentAsync(fault, extent, parts, cancellationToken)
                    .ConfigureAwait(false)));
            return new VmdkDiskSource(file.ToString() ?? "", file, opened);
        }
        catch
        {
            foreach ((_, IDiskSource? source) in opened) source?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads what a file says of itself; no other file is opened, and this one stays open.</summary>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskReadFailed</c>.</exception>
    public static async Task<ImageProbe> ProbeAsync(IDiskSource file, CancellationToken cancellationToken)
    {
        var fault = new ImageFault("VMDK", file);
        byte[] first = await fault.ReadAsync(0, (int)Math.Min(4, file.SizeBytes), "its beginning", cancellationToken)
            .ConfigureAwait(false);
        if (VmdkHeader.IsHeader(first))
        {
            VmdkSparseSource sparse = await VmdkSparseSource.OpenAsync(fault, cancellationToken).ConfigureAwait(false);
            return new ImageProbe(sparse.SizeBytes, null,
                sparse.Descriptor?.ChangesFile is string changes ? [changes] : []);
        }
        VmdkDescriptor descriptor = await ReadTextAsync(fault, cancellationToken).ConfigureAwait(false);
        return new ImageProbe(descriptor.SizeBytes, null, descriptor.Files);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var held = new Extent(0, 0);
        foreach ((Extent place, IDiskSource? source) in _parts)
        {
            if (source is null) continue;
            await foreach (Extent extent in source.GetAllocatedExtentsAsync(cancellationToken).ConfigureAwait(false))
            {
                var next = new Extent(place.Offset + extent.Offset, extent.Length);
                if (held.Length > 0 && next.Offset == held.End)
                {
                    held = held with { Length = held.Length + next.Length };
                    continue;
                }
                if (held.Length > 0) yield return held;
                held = next;
            }
        }
        if (held.Length > 0) yield return held;
    }

    /// <inheritdoc/>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > SizeBytes - buffer.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), "The range must lie inside the disk.");
        for (int i = Find(offset); !buffer.IsEmpty; i++)
        {
            (Extent place, IDiskSource? source) = _parts[i];
            Memory<byte> part = buffer.Slice(0, (int)Math.Min(buffer.Length, place.End - offset));
            if (source is null) part.Span.Clear();
            else await source.ReadAsync(offset - place.Offset, part, cancellationToken).ConfigureAwait(false);
            offset += part.Length;
            buffer = buffer.Slice(part.Length);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _text?.Dispose();
        foreach ((_, IDiskSource? source) in _parts) source?.Dispose();
    }

    /// <summary>The path of the image.</summary>
    public override string ToString() => _name;

    private int Find(long offset)
    {
        int low = 0, high = _parts.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_parts[middle].Place.End <= offset) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    private static async Task<VmdkSparseSource> OpenWholeAsync(ImageFault fault, CancellationToken cancellationToken)
    {
        VmdkSparseSource sparse = await VmdkSparseSource.OpenAsync(fault, cancellationToken).ConfigureAwait(false);
        return sparse.Descriptor switch
        {
            null => throw fault.NotSupported("is one of the files of an image, and not the one that names them",
                "Name the text file of the image (without -s001 and the like) instead."),
            { HasParent: true } => throw HasParent(fault),
            { Extents.Count: > 1 } => throw fault.NotSupported("is one of several files of an image"),
            _ => sparse,
        };
    }

    private static NataliaException HasParent(ImageFault fault) =>
        fault.NotSupported("holds only what differs from another image, as that of a VMware snapshot does",
            "Remove the VM's snapshots before it is exported, or back it up through VMware.");

    private static async ValueTask<VmdkDescriptor> ReadTextAsync(ImageFault fault, CancellationToken cancellationToken)
    {
        if (fault.File.SizeBytes > VmdkFormat.MostDescriptorBytes)
            throw fault.NotSupported("is neither a sparse image nor the text that describes one");
        byte[] text = await fault.ReadAsync(0, (int)fault.File.SizeBytes, "its text", cancellationToken)
            .ConfigureAwait(false);
        return VmdkDescriptor.Parse(fault, text);
    }

    private static async Task<IDiskSource?> OpenExtentAsync(ImageFault text, VmdkExtent extent, IImageParts? parts,
        CancellationToken cancellationToken)
    {
        if (extent.Type == "ZERO") return null;
        if (extent.Type is not ("FLAT" or "VMFS" or "SPARSE") || extent.FileName is null)
            throw text.NotSupported($"consists of a file of the kind {extent.Type}, which is not known");
        string name = text.File.ToString() ?? "";
        IDiskSource file = (parts is null
            ? null
            : await parts.OpenAsync(name, extent.FileName, cancellationToken).ConfigureAwait(false))
            ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"The bytes of '{name}' are in '{extent.FileName}', which is not there.", name,
                "Put all files of the image into one folder.");
        try
        {
            if (extent.Type != "SPARSE")
            {
                return extent.OffsetBytes <= file.SizeBytes - extent.SizeBytes
                    ? new DiskWindow(file, new Extent(extent.OffsetBytes, extent.SizeBytes), file.ToString() ?? "")
                    : throw text.Invalid($"'{file}' is said to hold {extent.SizeBytes} bytes from "
                        + $"{extent.OffsetBytes} on, and has {file.SizeBytes}");
            }
            VmdkSparseSource sparse = await VmdkSparseSource.OpenAsync(new ImageFault("VMDK", file), cancellationToken)
                .ConfigureAwait(false);
            return sparse.SizeBytes == extent.SizeBytes
                ? sparse
                : throw text.Invalid($"'{file}' holds {sparse.SizeBytes} bytes, and is said to hold "
                    + $"{extent.SizeBytes}");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
