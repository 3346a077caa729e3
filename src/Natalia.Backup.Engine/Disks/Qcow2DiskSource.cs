using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A disk in a QCOW2 image of version 2 or 3 that stands by itself: without a backing file, an external data file,
/// encryption or a dirty log. The format is QEMU's <c>docs/interop/qcow2.txt</c>. What the file claims is checked
/// against its length before anything is allocated or read. Any number of threads may read at once.
/// </summary>
public sealed class Qcow2DiskSource : IDiskSource
{
    private const int HeaderBytes = 112;

    /// <summary>QEMU opens no image with more.</summary>
    private const long MostLevel1Bytes = 32L << 20;

    /// <summary>As much as the other formats hold. More would be looked through for hours.</summary>
    private const long MostBytes = 64L << 40;

    private const uint Magic = 0x514649FB;
    private const long OffsetMask = 0x00FFFFFFFFFFFE00, CompressedFlag = 1L << 62;
    private const ulong IncompatibleDirty = 1, IncompatibleCorrupt = 2, IncompatibleData = 4,
        IncompatibleCompression = 8;

    private readonly IDiskSource _file;
    private readonly int _clusterBits;
    private readonly long[] _level1;
    private readonly bool _isZstd;
    private readonly object _gate = new();
    private (long Offset, byte[] Bytes) _table = (-1, []), _cluster = (-1, []);

    private Qcow2DiskSource(IDiskSource file, int clusterBits, long sizeBytes, long[] level1, bool isZstd) =>
        (_file, _clusterBits, SizeBytes, _level1, _isZstd) = (file, clusterBits, sizeBytes, level1, isZstd);

    /// <inheritdoc/>
    public long SizeBytes { get; }

    private int ClusterBytes => 1 << _clusterBits;

    private int TableEntries => ClusterBytes / sizeof(long);

    /// <summary>Opens an image.</summary>
    /// <param name="file">The image's file, byte for byte; belongs to the result from then on.</param>
    /// <param name="name">What it is called, for errors.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>DiskFormatNotSupported</c>: it needs another file, is encrypted, was not
    /// closed, or is damaged. <c>DiskReadFailed</c>.</exception>
    public static async Task<Qcow2DiskSource> OpenAsync(IDiskSource file, string name,
        CancellationToken cancellationToken)
    {
        if (file.SizeBytes < HeaderBytes) throw Refuse(name, "it is too short for a QCOW2 image.");
        byte[] header = new byte[HeaderBytes];
        await file.ReadAsync(0, header, cancellationToken).ConfigureAwait(false);
        uint version = UInt32(header, 4);
        int clusterBits = (int)Math.Min(UInt32(header, 20), 100);
        long size = Int64(header, 24), level1Entries = UInt32(header, 36), level1Offset = Int64(header, 40);
        if (UInt32(header, 0) != Magic || version is not (2 or 3))
            throw Refuse(name, $"it is a QCOW2 image of version {version}, and 2 and 3 are read.");
        if (Int64(header, 8) != 0)
            throw Refuse(name, "it has a backing file: its bytes are in another image. qemu-img convert makes one that "
                + "stands by itself.");
        if (UInt32(header, 32) != 0) throw Refuse(name, "it is encrypted.");
        bool isZstd = version == 3 && ReadFeatures(header, name);
        if (clusterBits is < 9 or > 21 || size < 0) throw Damaged(name);
        long perTable = (1L << clusterBits) / sizeof(long) << clusterBits;
        if (size > MostBytes) throw Refuse(name, "its disk is said to have more than 64 TiB.");
        long needed = size / perTable + (size % perTable == 0 ? 0 : 1);
        if (needed > MostLevel1Bytes / sizeof(long))
            throw Refuse(name, "its directory of tables has more than 32 MiB, which QEMU does not open either.");
        if (level1Entries < needed || level1Offset < 0 || needed > file.SizeBytes / sizeof(long)
            || level1Offset > file.SizeBytes - needed * sizeof(long))
            throw Damaged(name);
        byte[] bytes = new byte[needed * sizeof(long)];
        if (bytes.Length > 0) await file.ReadAsync(level1Offset, bytes, cancellationToken).ConfigureAwait(false);
        long[] level1 = new long[needed];
        for (int i = 0; i < level1.Length; i++)
        {
            level1[i] = Int64(bytes, i * sizeof(long)) & OffsetMask;
            if (level1[i] > file.SizeBytes - (1L << clusterBits)) throw Damaged(name);
        }
        return new Qcow2DiskSource(file, clusterBits, size, level1, isZstd);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long start = -1, end = 0;
        long tableSpan = TableEntries * (long)ClusterBytes;
        for (long at = 0; at < SizeBytes; at += ClusterBytes)
        {
            if (at % tableSpan == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                while (at < SizeBytes && _level1[at / tableSpan] == 0) at += tableSpan;
                if (at >= SizeBytes) break;
            }
            long entry = await FindAsync(at, cancellationToken).ConfigureAwait(false);
            if (IsZero(entry)) continue;
            if (start >= 0 && at != end)
            {
                yield return new Extent(start, end - start);
                start = -1;
            }
            if (start < 0) start = at;
            end = Math.Min(at + ClusterBytes, SizeBytes);
        }
        if (start >= 0) yield return new Extent(start, end - start);
    }

    /// <inheritdoc/>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (buffer.Length > 0)
        {
            int within = (int)(offset & (ClusterBytes - 1)), count = Math.Min(buffer.Length, ClusterBytes - within);
            Memory<byte> part = buffer.Slice(0, count);
            long entry = await FindAsync(offset, cancellationToken).ConfigureAwait(false);
            if (IsZero(entry)) part.Span.Clear();
            else if ((entry & CompressedFlag) != 0)
                (await DecompressAsync(entry, cancellationToken).ConfigureAwait(false)).AsSpan(within, count)
                    .CopyTo(part.Span);
            else
            {
                long at = (entry & OffsetMask) + within;
                if (at > _file.SizeBytes - count) throw Damaged(ToString());
                await _file.ReadAsync(at, part, cancellationToken).ConfigureAwait(false);
            }
            offset += count;
            buffer = buffer.Slice(count);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>The file.</summary>
    public override string ToString() => _file.ToString() ?? "";

    /// <summary>The entry of the cluster at an offset of the disk; 0 where there is none.</summary>
    private async ValueTask<long> FindAsync(long offset, CancellationToken cancellationToken)
    {
        long cluster = offset >> _clusterBits;
        long table = _level1[cluster / TableEntries];
        if (table == 0) return 0;
        byte[]? bytes = null;
        lock (_gate)
        {
            if (_table.Offset == table) bytes = _table.Bytes;
        }
        if (bytes is null)
        {
            bytes = new byte[ClusterBytes];
            await _file.ReadAsync(table, bytes, cancellationToken).ConfigureAwait(false);
            lock (_gate) _table = (table, bytes);
        }
        return Int64(bytes, (int)(cluster % TableEntries) * sizeof(long));
    }

    /// <summary>Bit 0 says zeros, in version 3; without an offset there is nothing.</summary>
    private static bool IsZero(long entry) =>
        (entry & CompressedFlag) == 0 && ((entry & 1) != 0 || (entry & OffsetMask) == 0);

    private async ValueTask<byte[]> DecompressAsync(long entry, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_cluster.Offset == entry) return _cluster.Bytes;
        }
        int shift = 62 - (_clusterBits - 8);
        long at = entry & ((1L << shift) - 1);
        long sectors = ((entry & (CompressedFlag - 1)) >> shift) + 1;
        long length = Math.Min(sectors * 512 - (at & 511), _file.SizeBytes - at);
        if (length <= 0 || length > 2L * ClusterBytes + 1024) throw Damaged(ToString());
        byte[] packed = new byte[length], plain = new byte[ClusterBytes];
        await _file.ReadAsync(at, packed, cancellationToken).ConfigureAwait(false);
        try
        {
            Decompress(packed, plain);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or ZstdSharp.ZstdException)
        {
            // Nothing is read here but memory; Mono has a word of its own for what is damaged.
            throw Damaged(ToString(), e);
        }
        lock (_gate) _cluster = (entry, plain);
        return plain;
    }

    /// <summary>What lies behind the compressed bytes in their last sector is not theirs.</summary>
    private void Decompress(byte[] packed, byte[] plain)
    {
        using var memory = new MemoryStream(packed);
        using Stream stream = _isZstd
            ? new ZstdSharp.DecompressionStream(memory)
            : new DeflateStream(memory, CompressionMode.Decompress);
        for (int done = 0; done < plain.Length;)
        {
            int read = stream.Read(plain, done, plain.Length - done);
            if (read == 0) throw new InvalidDataException("A compressed cluster ends early.");
            done += read;
        }
    }

    private static bool ReadFeatures(byte[] header, string name)
    {
        ulong features = (ulong)Int64(header, 72);
        if ((features & IncompatibleData) != 0)
            throw Refuse(name, "its bytes are in another file. qemu-img convert makes one that stands by itself.");
        if ((features & IncompatibleCorrupt) != 0) throw Refuse(name, "it says of itself that it is damaged.");
        if ((features & ~(IncompatibleDirty | IncompatibleCompression)) != 0)
            throw Refuse(name, "it needs a feature that is not known here. qemu-img convert makes a plain one.");
        if ((features & IncompatibleCompression) == 0 || UInt32(header, 100) < 105) return false;
        return header[104] switch
        {
            0 => false,
            1 => true,
            _ => throw Refuse(name, "it is compressed in a way that is not known here."),
        };
    }

    private static uint UInt32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at));

    private static long Int64(byte[] bytes, int at) => BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(at));

    private static NataliaException Damaged(string name, Exception? inner = null) =>
        new(ErrorIds.DiskReadFailed, NataliaErrorKind.InvalidData,
            $"The QCOW2 image '{name}' is damaged: what it says of itself cannot be.", name,
            "qemu-img check tells more.", inner);

    private static NataliaException Refuse(string name, string why) =>
        new(ErrorIds.DiskFormatNotSupported, NataliaErrorKind.InvalidArgument,
            $"The image '{name}' cannot be read: {why}", name);
}
