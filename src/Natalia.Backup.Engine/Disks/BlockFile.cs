namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Lays the blocks of a disk into an image's file, in the order in which they are first written. What is never written,
/// or only with zeros, gets no place. Any number of threads may write at once.
/// </summary>
internal sealed class BlockFile
{
    private const long MiB = 1024 * 1024;

    /// <summary>Up to here a table of all blocks takes 4 MiB of memory; beyond it blocks are larger.</summary>
    private const long MostInSmallBlocks = 2L << 40;

    /// <summary>By how much the file grows at a time: writing behind its end is slower.</summary>
    private const long GrowBytes = 256 * MiB;

    private readonly ImageFileWriter _file;
    private readonly long _first, _size;
    private readonly uint[] _places;
    private readonly object _lock = new();
    private long _grown;

    /// <param name="file">The file.</param>
    /// <param name="first">Where in the file the first block may lie: a multiple of a MiB.</param>
    /// <param name="sizeBytes">The disk's size in bytes.</param>
    internal BlockFile(ImageFileWriter file, long first, long sizeBytes)
    {
        _file = file;
        _first = _grown = End = first;
        _size = sizeBytes;
        BlockBytes = BlockBytesOf(sizeBytes);
        _places = new uint[(int)((sizeBytes + BlockBytes - 1) / BlockBytes)];
    }

    /// <summary>How many bytes a block has: 2 or 32 MiB.</summary>
    internal long BlockBytes { get; }

    /// <summary>How many blocks the disk has.</summary>
    internal int Count => _places.Length;

    /// <summary>The first byte behind the last block.</summary>
    internal long End { get; private set; }

    /// <summary>How large blocks of a disk are.</summary>
    internal static long BlockBytesOf(long sizeBytes) => sizeBytes <= MostInSmallBlocks ? 2 * MiB : 32 * MiB;

    /// <summary>Where in the file a block lies; 0 for nowhere.</summary>
    internal long PlaceOf(long block) => _places[block] * MiB;

    /// <summary>Writes bytes of the disk.</summary>
    internal void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset < 0 || offset > _size - bytes.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), "The range must lie inside the disk.");
        // Blocks that lie one behind another are written in one call.
        long runAt = 0;
        int runStart = 0, at = 0;
        while (at < bytes.Length)
        {
            long block = (offset + at) / BlockBytes, inBlock = (offset + at) % BlockBytes;
            int length = (int)Math.Min(bytes.Length - at, BlockBytes - inBlock);
            long place = PlaceFor(block, bytes.Slice(at, length));
            if (place == 0 || place + inBlock != runAt + (at - runStart))
            {
                Flush(bytes.Slice(runStart, at - runStart));
                runStart = place == 0 ? at + length : at;
                runAt = place + inBlock;
            }
            at += length;
        }
        Flush(bytes.Slice(runStart));

        void Flush(ReadOnlySpan<byte> run)
        {
            if (!run.IsEmpty) _file.Write(runAt, run);
        }
    }

    private long PlaceFor(long block, ReadOnlySpan<byte> bytes)
    {
        if (Volatile.Read(ref _places[block]) is uint known and not 0) return known * MiB;
        if (ZeroTest.IsZero(bytes)) return 0;
        lock (_lock)
        {
            if (_places[block] != 0) return _places[block] * MiB;
            long place = End;
            End += BlockBytes;
            if (End > _grown)
            {
                _grown = Math.Min(End + GrowBytes, _first + Count * BlockBytes);
                _file.SetLength(_grown);
            }
            Volatile.Write(ref _places[block], (uint)(place / MiB));
            return place;
        }
    }
}
