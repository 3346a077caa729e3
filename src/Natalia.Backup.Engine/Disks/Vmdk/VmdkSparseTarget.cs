using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>
/// Writes a disk to one sparse VMDK file (monolithicSparse). What is zero is left out, in units of 2 MiB. The bytes go
/// to a partial file beside the destination, which gets its name only when all is written and flushed. Any number of
/// threads may write at once; a write runs on its caller's thread.
/// </summary>
public sealed class VmdkSparseTarget : IDiskTarget
{
    private const int TableBytes = VmdkFormat.EntriesOfTable * sizeof(uint);
    private const long MiB = 1024 * 1024;

    private readonly ImageFileWriter _file;
    private BlockFile? _blocks;
    private long _size;

    /// <summary>Names the image; nothing is touched before <see cref="BeginAsync"/>.</summary>
    /// <param name="path">The image to make.</param>
    /// <param name="overwrite">Replace a file of that name; it stays as it is until the new one is complete.</param>
    public VmdkSparseTarget(string path, bool overwrite = false) => _file = new ImageFileWriter(path, overwrite);

    /// <summary>The image's full path.</summary>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => true;

    private long Tables => (_size + VmdkFormat.GrainBytes * (long)VmdkFormat.EntriesOfTable - 1)
        / (VmdkFormat.GrainBytes * (long)VmdkFormat.EntriesOfTable);

    private long DirectoryBytes => RoundUp(Tables * sizeof(uint), VmdkFormat.Sector);

    /// <summary>The header and the text, then a directory with its tables, and both once more.</summary>
    private long FirstDirectory => (1 + VmdkDescriptor.EmbeddedSectors) * (long)VmdkFormat.Sector;

    private long SecondDirectory => FirstDirectory + DirectoryBytes + Tables * TableBytes;

    private long Overhead => RoundUp(SecondDirectory + DirectoryBytes + Tables * TableBytes, MiB);

    /// <inheritdoc/>
    /// <remarks>A size that is no multiple of 512 is rounded up, and what is more reads as zeros.</remarks>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>; also for a size of 0 and where the file could become longer than 2 TiB, which the
    /// format does not have.</exception>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _size = VmdkSizes.Check(sizeBytes, Path, VmdkFormat.MostSparseBytes);
        if (Overhead + RoundUp(_size, BlockFile.BlockBytesOf(_size)) > VmdkFormat.MostSparseBytes)
            throw VmdkSizes.TooLarge(sizeBytes, Path);
        _file.Begin(Overhead);
        _blocks = new BlockFile(_file, Overhead, _size);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        BlockFile blocks = _blocks ?? throw new InvalidOperationException("The target has not begun.");
        cancellationToken.ThrowIfCancellationRequested();
        blocks.Write(offset, bytes.Span);
        return default;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationExists</c> when somebody made a file of that name meanwhile;
    /// <c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public Task CompleteAsync(CancellationToken cancellationToken)
    {
        BlockFile blocks = _blocks ?? throw new InvalidOperationException("The target has not begun.");
        _file.SetLength(blocks.End);
        WriteTables(blocks, FirstDirectory, cancellationToken);
        WriteTables(blocks, SecondDirectory, cancellationToken);
        string text = VmdkDescriptor.Make("monolithicSparse", _size, "SPARSE", System.IO.Path.GetFileName(Path));
        _file.Write(VmdkFormat.Sector, Encoding.UTF8.GetBytes(text));
        // The flag says that there are two directories.
        _file.Write(0, VmdkHeader.Make(_size, version: 1, flags: 2, SecondDirectory / VmdkFormat.Sector,
            FirstDirectory / VmdkFormat.Sector, Overhead / VmdkFormat.Sector, algorithm: 0));
        _file.Complete(cancellationToken);
        return Task.CompletedTask;
    }

    /// <summary>Closes the file, and deletes it when it was not completed.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>The path.</summary>
    public override string ToString() => Path;

    private static long RoundUp(long value, long unit) => (value + unit - 1) / unit * unit;

    private void WriteTables(BlockFile blocks, long directory, CancellationToken cancellationToken)
    {
        var entries = new byte[DirectoryBytes];
        var table = new byte[TableBytes];
        long firstTable = directory + DirectoryBytes;
        for (long t = 0; t < Tables; t++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long place = firstTable + t * TableBytes;
            BinaryPrimitives.WriteUInt32LittleEndian(entries.AsSpan((int)t * sizeof(uint)),
                (uint)(place / VmdkFormat.Sector));
            for (int i = 0; i < VmdkFormat.EntriesOfTable; i++)
            {
                long at = (t * VmdkFormat.EntriesOfTable + i) * VmdkFormat.GrainBytes;
                long block = at < _size ? blocks.PlaceOf(at / blocks.BlockBytes) : 0;
                BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(i * sizeof(uint)),
                    block == 0 ? 0 : (uint)((block + at % blocks.BlockBytes) / VmdkFormat.Sector));
            }
            _file.Write(place, table);
        }
        _file.Write(directory, entries);
    }
}
