using System.Buffers.Binary;
using System.Text;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>
/// The log of a file that was not closed: finds the entries that count and says what the file would be if they were
/// carried out ([MS-VHDX] 2.3). Nothing is written.
/// </summary>
internal sealed class VhdxLog
{
    private const int Sector = 4096, HeadBytes = 64, DescriptorBytes = 32;

    /// <summary>A log is 1 MiB as a rule; what is told of more is not believed.</summary>
    private const long MostLogBytes = 256L << 20;

    /// <summary>What a replay holds in memory: about 4 MiB.</summary>
    private const int MostDescriptors = 64 * 1024;

    private static readonly byte[] s_entry = Encoding.ASCII.GetBytes("loge"), s_data = Encoding.ASCII.GetBytes("data"),
        s_descriptor = Encoding.ASCII.GetBytes("desc"), s_zero = Encoding.ASCII.GetBytes("zero");

    private readonly ImageFault _image;
    private readonly Guid _id;
    private readonly Extent _place;

    /// <summary>
    /// Checksums are taken of so many bytes and no more: entries that claim the whole log, one after another, would
    /// keep a reader busy for hours.
    /// </summary>
    private long _bytesToCheck;

    private VhdxLog(ImageFault image, Guid id, Extent place)
    {
        _image = image;
        _id = id;
        _place = place;
        _bytesToCheck = 8 * place.Length;
    }

    /// <summary>Where the log is; of no length where the file has none.</summary>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>.</exception>
    internal static Extent PlaceOf(ImageFault image, VhdxHeader header)
    {
        var place = new Extent(header.LogOffset, header.LogLength);
        bool isWhole = place.Offset >= VhdxFormat.MiB && place.Offset % VhdxFormat.MiB == 0
            && place.Length > 0 && place.Length % VhdxFormat.MiB == 0
            && place.Offset <= image.File.SizeBytes - place.Length;
        if (isWhole) return place;
        // Without entries to replay it matters to nobody but to the next writer.
        return header.LogGuid == Guid.Empty
            ? new Extent(0, 0)
            : throw image.Invalid($"its log is said to be {place.Length} bytes at {place.Offset}");
    }

    /// <summary>The file as it would be.</summary>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>.</exception>
    internal static async ValueTask<IDiskSource> ReplayAsync(ImageFault image, VhdxHeader header, Extent place,
        CancellationToken cancellationToken)
    {
        if (header.LogGuid == Guid.Empty) return image.File;
        if (place.Length > MostLogBytes) throw image.Invalid($"its log is said to have {place.Length} bytes");
        return await new VhdxLog(image, header.LogGuid, place).ReplayAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<IDiskSource> ReplayAsync(CancellationToken cancellationToken)
    {
        List<VhdxLogEntry> entries = await FindActiveAsync(cancellationToken).ConfigureAwait(false)
            ?? throw _image.Invalid("its log is to be replayed and holds no whole sequence of entries");
        VhdxLogEntry head = entries[entries.Count - 1];
        if (_image.File.SizeBytes < head.FlushedFileOffset)
            throw _image.Invalid($"it is {_image.File.SizeBytes} bytes long, and was {head.FlushedFileOffset} when its "
                + "log was written: it was cut off");
        var patches = new List<LogPatch>();
        foreach (VhdxLogEntry entry in entries)
            await AddPatchesAsync(entry, patches, cancellationToken).ConfigureAwait(false);
        // As long as anything can be: what lies behind the end of the file reads as zeros.
        long length = Math.Max(_image.File.SizeBytes, Math.Min(Math.Max(0, head.LastFileOffset),
            2 * VhdxFormat.MostBytes));
        return new ReplayedFile(_image.File, length, patches);
    }

    /// <summary>
    /// The whole sequence of entries with the highest numbers. A sequence is whole when the entry that its last one
    /// names as the oldest belongs to it.
    /// </summary>
    private async ValueTask<List<VhdxLogEntry>?> FindActiveAsync(CancellationToken cancellationToken)
    {
        List<VhdxLogEntry>? best = null;
        long at = 0;
        while (at < _place.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            List<VhdxLogEntry> run = await ReadRunAsync(at, cancellationToken).ConfigureAwait(false);
            if (run.Count == 0)
            {
                at += Sector;
                continue;
            }
            VhdxLogEntry head = run[run.Count - 1];
            int oldest = run.FindIndex(e => e.Position == head.Tail);
            if (oldest >= 0
                && (best is null || head.SequenceNumber > best[best.Count - 1].SequenceNumber))
                best = run.GetRange(oldest, run.Count - oldest);
            // The next sequence begins behind this one, unless that went past the end to the beginning.
            long end = head.Position + head.Length;
            if (end <= at || end > _place.Length) break;
            at = end;
        }
        return best;
    }

    /// <summary>Entries one behind another, each with the next number.</summary>
    private async ValueTask<List<VhdxLogEntry>> ReadRunAsync(long at, CancellationToken cancellationToken)
    {
        var run = new List<VhdxLogEntry>();
        long length = 0;
        while (length < _place.Length)
        {
            VhdxLogEntry? entry = await ReadEntryAsync((at + length) % _place.Length, cancellationToken)
                .ConfigureAwait(false);
            if (entry is null || entry.Length > _place.Length - length
                || (run.Count > 0 && entry.SequenceNumber != run[run.Count - 1].SequenceNumber + 1))
                break;
            run.Add(entry);
            length += entry.Length;
        }
        return run;
    }

    /// <summary>The entry at a place; null when there is none of this log, or it was not written to its end.</summary>
    private async ValueTask<VhdxLogEntry?> ReadEntryAsync(long at, CancellationToken cancellationToken)
    {
        var head = new byte[HeadBytes];
        await ReadAsync(at, head, cancellationToken).ConfigureAwait(false);
        if (!head.AsSpan().StartsWith(s_entry) || VhdxFormat.ReadGuid(head.AsSpan(32)) != _id) return null;
        long length = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(8));
        long tail = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(12));
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(16));
        uint descriptors = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(24));
        if (length == 0 || length % Sector != 0 || length > _place.Length || tail % Sector != 0 || number == 0
            || HeadBytes + descriptors * (long)DescriptorBytes > length)
            return null;
        _bytesToCheck -= length;
        if (_bytesToCheck < 0) throw _image.Invalid("the entries of its log overlap");
        if (await ChecksumAsync(at, length, cancellationToken).ConfigureAwait(false)
            != BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(4)))
            return null;
        return new VhdxLogEntry(at, length, tail, number, (int)descriptors,
            BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(48)),
            BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(56)));
    }

    private async ValueTask<uint> ChecksumAsync(long at, long length, CancellationToken cancellationToken)
    {
        uint state = uint.MaxValue;
        var buffer = new byte[(int)Math.Min(length, 64 * 1024)];
        for (long done = 0; done < length; done += buffer.Length)
        {
            Memory<byte> part = buffer.AsMemory(0, (int)Math.Min(buffer.Length, length - done));
            await ReadAsync((at + done) % _place.Length, part, cancellationToken).ConfigureAwait(false);
            if (done == 0) part.Span.Slice(4, 4).Clear();
            state = Crc32C.Update(state, part.Span);
        }
        return ~state;
    }

    private async ValueTask AddPatchesAsync(VhdxLogEntry entry, List<LogPatch> patches,
        CancellationToken cancellationToken)
    {
        long sectors = (HeadBytes + entry.Descriptors * (long)DescriptorBytes + Sector - 1) / Sector;
        long data = entry.Position + sectors * Sector;
        var descriptor = new byte[DescriptorBytes];
        var mark = new byte[Sector];
        for (int i = 0; i < entry.Descriptors; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await ReadAsync((entry.Position + HeadBytes + i * (long)DescriptorBytes) % _place.Length, descriptor,
                cancellationToken).ConfigureAwait(false);
            if (BinaryPrimitives.ReadUInt64LittleEndian(descriptor.AsSpan(24)) != entry.SequenceNumber)
                throw _image.Invalid("a descriptor of its log is not of its entry");
            if (patches.Count == MostDescriptors)
                throw _image.Invalid($"its log has more than {MostDescriptors} descriptors");
            long offset = BinaryPrimitives.ReadInt64LittleEndian(descriptor.AsSpan(16));
            long length = Sector;
            long? at = null;
            if (descriptor.AsSpan().StartsWith(s_zero))
                length = BinaryPrimitives.ReadInt64LittleEndian(descriptor.AsSpan(8));
            else if (descriptor.AsSpan().StartsWith(s_descriptor))
            {
                if (data + Sector > entry.Position + entry.Length)
                    throw _image.Invalid("an entry of its log is shorter than what it describes");
                await ReadAsync(data % _place.Length, mark, cancellationToken).ConfigureAwait(false);
                ulong number = ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(mark.AsSpan(4)) << 32)
                    | BinaryPrimitives.ReadUInt32LittleEndian(mark.AsSpan(Sector - 4));
                if (!mark.AsSpan().StartsWith(s_data) || number != entry.SequenceNumber)
                    throw _image.Invalid("a sector of its log is not of its entry");
                at = _place.Offset + data % _place.Length;
                data += Sector;
            }
            else throw _image.Invalid("a descriptor of its log is of no kind that is known");
            if (offset < 0 || length <= 0 || offset % Sector != 0 || length % Sector != 0
                || offset > 2 * VhdxFormat.MostBytes - length)
                throw _image.Invalid($"its log writes {length} bytes at {offset}");
            patches.Add(new LogPatch(new Extent(offset, length), at,
                BinaryPrimitives.ReadUInt64LittleEndian(descriptor.AsSpan(8)),
                BinaryPrimitives.ReadUInt32LittleEndian(descriptor.AsSpan(4))));
        }
    }

    /// <summary>Reads from the log, whose end is followed by its beginning.</summary>
    private async ValueTask ReadAsync(long at, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int first = (int)Math.Min(buffer.Length, _place.Length - at);
        await _image.File.ReadAsync(_place.Offset + at, buffer.Slice(0, first), cancellationToken)
            .ConfigureAwait(false);
        if (first < buffer.Length)
            await _image.File.ReadAsync(_place.Offset, buffer.Slice(first), cancellationToken).ConfigureAwait(false);
    }
}
