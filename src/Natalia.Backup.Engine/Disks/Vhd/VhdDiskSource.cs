using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vhd;

/// <summary>
/// A disk in a VHD file: fixed, dynamic, or differencing with its parents. The format is that of Microsoft's Virtual
/// Hard Disk Image Format Specification.
/// </summary>
public sealed class VhdDiskSource : MappedImage
{
    private const int MostDepth = 256;

    private readonly ImageFault _fault;
    private readonly VhdFooter _footer;
    private readonly VhdHeader? _header;
    private readonly TableCache _tables;
    private readonly bool _hasParent;

    /// <summary>Before each block: a bit for each of its sectors.</summary>
    private readonly long _bitmapBytes;

    private VhdDiskSource(ImageFault fault, VhdFooter footer, VhdHeader? header, TableCache tables,
        VhdDiskSource? parent)
        : base(fault.File, footer.SizeBytes, parent)
    {
        _fault = fault;
        _footer = footer;
        _header = header;
        _tables = tables;
        _hasParent = parent is not null;
        if (header is not null)
            _bitmapBytes = (header.BlockBytes / VhdFormat.Sector / 8 + VhdFormat.Sector - 1) / VhdFormat.Sector
                * VhdFormat.Sector;
    }

    /// <summary>The id of the file, by which a child names its parent.</summary>
    public Guid UniqueId => _footer.UniqueId;

    /// <summary>Opens the disk in a file, with all its parents.</summary>
    /// <param name="file">The file, byte for byte. It is closed with the disk, and at once when this fails.</param>
    /// <param name="parents">Finds parents; null where none are allowed.</param>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskParentNotFound</c>, <c>DiskReadFailed</c>; what <paramref name="parents"/> throws.</exception>
    public static Task<VhdDiskSource> OpenAsync(IDiskSource file, IParentImages? parents,
        CancellationToken cancellationToken) =>
        OpenAsync(file, parents, new TableCache(), 1, cancellationToken);

    /// <summary>Reads what a file says of itself, without its parents; the file stays open.</summary>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskReadFailed</c>.</exception>
    public static async Task<ImageProbe> ProbeAsync(IDiskSource file, CancellationToken cancellationToken)
    {
        var fault = new ImageFault("VHD", file);
        VhdFooter footer = await VhdFooter.ReadAsync(fault, cancellationToken).ConfigureAwait(false);
        if (footer.Type != VhdFormat.Differencing) return new ImageProbe(footer.SizeBytes, null, []);
        VhdHeader header = await VhdHeader.ReadAsync(fault, footer, cancellationToken).ConfigureAwait(false);
        return new ImageProbe(footer.SizeBytes,
            await ReferenceAsync(fault, header, cancellationToken).ConfigureAwait(false), []);
    }

    private static async Task<VhdDiskSource> OpenAsync(IDiskSource file, IParentImages? parents, TableCache tables,
        int depth, CancellationToken cancellationToken)
    {
        VhdDiskSource? parent = null;
        try
        {
            var fault = new ImageFault("VHD", file);
            VhdFooter footer = await VhdFooter.ReadAsync(fault, cancellationToken).ConfigureAwait(false);
            VhdHeader? header = null;
            if (footer.Type == VhdFormat.Fixed)
            {
                if (footer.SizeBytes > file.SizeBytes)
                    throw fault.Invalid($"its disk is said to have {footer.SizeBytes} bytes, and the file has "
                        + $"{file.SizeBytes}");
            }
            else header = await VhdHeader.ReadAsync(fault, footer, cancellationToken).ConfigureAwait(false);
            if (footer.Type == VhdFormat.Differencing)
            {
                ParentReference reference = await ReferenceAsync(fault, header!, cancellationToken)
                    .ConfigureAwait(false);
                parent = await OpenParentAsync(fault, reference, parents, tables, depth, cancellationToken)
                    .ConfigureAwait(false);
            }
            return new VhdDiskSource(fault, footer, header, tables, parent);
        }
        catch
        {
            parent?.Dispose();
            file.Dispose();
            throw;
        }
    }

    private static async Task<VhdDiskSource> OpenParentAsync(ImageFault child, ParentReference reference,
        IParentImages? parents, TableCache tables, int depth, CancellationToken cancellationToken)
    {
        if (depth == MostDepth) throw child.Invalid($"its chain of parents has more than {MostDepth} images");
        IDiskSource? file = parents is null
            ? null
            : await parents.OpenAsync(reference, cancellationToken).ConfigureAwait(false);
        if (file is null) throw child.ParentNotFound(reference);
        VhdDiskSource parent = await OpenAsync(file, parents, tables, depth + 1, cancellationToken)
            .ConfigureAwait(false);
        if (parent.UniqueId == reference.Identity) return parent;
        using (parent) throw child.ParentDiffers(reference, parent.ToString(), parent.UniqueId);
    }

    private static async ValueTask<ParentReference> ReferenceAsync(ImageFault child, VhdHeader header,
        CancellationToken cancellationToken)
    {
        string? relative = null, absolute = null;
        foreach (VhdLocator locator in header.Locators)
        {
            byte[] bytes = await child.ReadAsync(locator.Offset, locator.Length, "the path of its parent",
                cancellationToken).ConfigureAwait(false);
            string path = Encoding.Unicode.GetString(bytes).TrimEnd('\0');
            if (locator.IsRelative) relative = path;
            else absolute = path;
        }
        return new ParentReference(child.File.ToString() ?? "", relative,
            absolute ?? (header.ParentName.Length > 0 ? header.ParentName : null), header.ParentId);
    }

    /// <inheritdoc/>
    private protected override async ValueTask<ImageRun> FindAsync(long offset, long most,
        CancellationToken cancellationToken)
    {
        if (_header is null) return new ImageRun(ImageRunKind.Stored, offset, most);
        ImageRunKind absent = _hasParent ? ImageRunKind.Parent : ImageRunKind.Zero;
        long block = offset / _header.BlockBytes, inBlock = offset % _header.BlockBytes;
        uint entry = await ReadEntryAsync(block, cancellationToken).ConfigureAwait(false);
        long length = Math.Min(most, _header.BlockBytes - inBlock);
        if (entry == VhdFormat.Unused)
        {
            while (length < most
                && await ReadEntryAsync(++block, cancellationToken).ConfigureAwait(false) == VhdFormat.Unused)
                length = Math.Min(most, length + _header.BlockBytes);
            return new ImageRun(absent, 0, length);
        }
        long place = entry * (long)VhdFormat.Sector;
        long used = Math.Min(_header.BlockBytes, SizeBytes - block * _header.BlockBytes);
        if (place > File.SizeBytes - _bitmapBytes - used)
            throw _fault.Invalid($"a block is said to lie at {place}, and the file ends at {File.SizeBytes}");
        // Without a parent a sector that is not marked was never written, and is zeros where it lies.
        return _hasParent
            ? await FindInBitmapAsync(place, inBlock, length, cancellationToken).ConfigureAwait(false)
            : new ImageRun(ImageRunKind.Stored, place + _bitmapBytes + inBlock, length);
    }

    /// <summary>Each sector has a bit, the highest of a byte first; it is 1 where the sector is in this file.</summary>
    private async ValueTask<ImageRun> FindInBitmapAsync(long place, long inBlock, long length,
        CancellationToken cancellationToken)
    {
        long sector = inBlock / VhdFormat.Sector;
        byte[] page = await _tables.GetAsync(File, place + sector / 8, cancellationToken).ConfigureAwait(false);
        int bit = (int)((place + sector / 8) % TableCache.PageBytes * 8 + sector % 8);
        bool isHere = IsSet(page, bit);
        long found = VhdFormat.Sector - inBlock % VhdFormat.Sector;
        for (bit++; found < length && bit < page.Length * 8 && IsSet(page, bit) == isHere; bit++)
            found += VhdFormat.Sector;
        found = Math.Min(found, length);
        return isHere
            ? new ImageRun(ImageRunKind.Stored, place + _bitmapBytes + inBlock, found)
            : new ImageRun(ImageRunKind.Parent, 0, found);

        static bool IsSet(byte[] bits, int index) => (bits[index >> 3] & 0x80 >> (index & 7)) != 0;
    }

    private async ValueTask<uint> ReadEntryAsync(long block, CancellationToken cancellationToken)
    {
        long at = _header!.TableOffset + block * sizeof(uint);
        byte[] page = await _tables.GetAsync(File, at, cancellationToken).ConfigureAwait(false);
        return BinaryPrimitives.ReadUInt32BigEndian(page.AsSpan((int)(at % TableCache.PageBytes)));
    }
}
