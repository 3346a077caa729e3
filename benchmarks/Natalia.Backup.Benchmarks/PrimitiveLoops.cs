using System.Security.Cryptography;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// The plain loops over a disk's blocks. Each processor has one worker, which takes the next run of blocks and does
/// with each block what a step does; one thread more writes.
/// </summary>
internal sealed class PrimitiveLoops : IDisposable
{
    private const int PackBytes = 32 << 20;

    private readonly RawDiskSource _disk;
    private readonly IReadOnlyList<Extent> _runs;
    private readonly string _place, _stored;
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly StoredRun[] _index;
    private readonly int _workers = Environment.ProcessorCount;
    private long _end;

    /// <param name="disk">The disk.</param>
    /// <param name="runs">Its blocks; none is longer than a leaf.</param>
    /// <param name="place">Where files are made.</param>
    internal PrimitiveLoops(RawDiskSource disk, IReadOnlyList<Extent> runs, string place)
    {
        _disk = disk;
        _runs = runs;
        _place = place;
        _stored = Path.Combine(place, "stored");
        _index = new StoredRun[runs.Count];
    }

    /// <summary>Bytes of blocks that are not all zeros; known after <see cref="Full"/>.</summary>
    internal long PlainBytes { get; private set; }

    /// <summary>What became of them.</summary>
    internal long StoredBytes { get; private set; }

    internal PrimitivePass Full()
    {
        PrimitiveClock[] clocks = NewClocks();
        PrimitiveTime loop = PrimitiveTime.Of(() =>
        {
            using var file = new PrimitiveFile(_stored, 0, _workers + 2, PackBytes);
            RunWorkers((worker, next) => Store(file, clocks[worker], next));
            file.Complete();
        });
        foreach (StoredBlock block in _index.SelectMany(r => r.Blocks))
        {
            PlainBytes += block.PlainLength;
            StoredBytes += block.StoredLength;
        }
        PrimitiveTime write = PrimitiveFile.Measure(Path.Combine(_place, "alone"), StoredBytes, PackBytes);
        // Packs that were written a moment ago are read from the page cache.
        using FileStream warm = File.OpenRead(_stored);
        warm.CopyTo(Stream.Null, 1 << 20);
        return new PrimitivePass(loop, PrimitiveClock.Sum(clocks), write);
    }

    internal PrimitivePass Restore()
    {
        PrimitiveClock[] clocks = NewClocks();
        string target = Path.Combine(_place, "restored");
        try
        {
            PrimitiveTime loop = PrimitiveTime.Of(() =>
            {
                using var file = new PrimitiveFile(target, _disk.SizeBytes, _workers + 2,
                    (int)BlockGeometry.LeafBytes);
                RunWorkers((worker, next) => Load(file, clocks[worker], next));
                file.Complete();
            });
            File.Delete(target);
            return new PrimitivePass(loop, PrimitiveClock.Sum(clocks), PrimitiveFile.Measure(target, PlainBytes,
                (int)BlockGeometry.LeafBytes));
        }
        finally
        {
            File.Delete(target);
        }
    }

    internal PrimitivePass Verify()
    {
        PrimitiveClock[] clocks = NewClocks();
        PrimitiveTime loop = PrimitiveTime.Of(() => RunWorkers((worker, next) => Load(null, clocks[worker], next)));
        return new PrimitivePass(loop, PrimitiveClock.Sum(clocks), null);
    }

    public void Dispose() => File.Delete(_stored);

    private void Store(PrimitiveFile file, PrimitiveClock clock, Func<int> next)
    {
        byte[] plain = GC.AllocateUninitializedArray<byte>((int)BlockGeometry.LeafBytes);
        using var codec = new SegmentCodec();
        using var cipher = new SegmentCipher(_key);
        Memory<byte> pack = default;
        int filled = 0;
        var open = new List<(int Run, List<StoredBlock> Blocks)>();
        for (int run = next(); run >= 0; run = next())
        {
            Extent extent = _runs[run];
            if (pack.Length - filled < 2 * BlockGeometry.LeafBytes)
            {
                Close();
                pack = file.Rent();
            }
            clock.Start();
            _disk.ReadAsync(extent.Offset, plain.AsMemory(0, (int)extent.Length), default).GetAwaiter().GetResult();
            clock.Was(Primitive.Read);
            var blocks = new List<StoredBlock>();
            for (int at = 0; at < extent.Length; at += BlockGeometry.BlockBytes)
            {
                Memory<byte> block = plain.AsMemory(at, (int)Math.Min(BlockGeometry.BlockBytes, extent.Length - at));
                bool isZero = ZeroTest.IsZero(block.Span);
                clock.Was(Primitive.ZeroTest);
                if (isZero) continue;
                Hash256 hash = Hash256.Of(block.Span);
                clock.Was(Primitive.Sha256);
                ReadOnlyMemory<byte> bytes = codec.Compress(block, out Codec how);
                clock.Was(Primitive.Compress);
                int length = bytes.Length + cipher.Overhead;
                cipher.Seal(Ordinal(run, at), [], bytes.Span, pack.Span.Slice(filled, length));
                clock.Was(Primitive.Seal);
                blocks.Add(new StoredBlock(at, block.Length, filled, length, how, hash));
                filled += length;
            }
            open.Add((run, blocks));
        }
        Close();

        void Close()
        {
            if (open.Count == 0) return;
            clock.Start();
            SHA256.HashData(pack.Span[..filled]);
            clock.Was(Primitive.PackSha256);
            // Whole pages, so that nothing of it goes through the page cache.
            int length = (filled + DirectFile.Alignment - 1) & -DirectFile.Alignment;
            long offset = Interlocked.Add(ref _end, length) - length;
            foreach ((int run, List<StoredBlock> blocks) in open) _index[run] = new StoredRun(offset, [.. blocks]);
            file.Write(pack, offset, (0, length));
            open.Clear();
            filled = 0;
            pack = default;
        }
    }

    private void Load(PrimitiveFile? target, PrimitiveClock clock, Func<int> next)
    {
        using PositionalFile stored = PositionalFile.OpenForReading(_stored);
        using var codec = new SegmentCodec();
        using var cipher = new SegmentCipher(_key);
        byte[] sealedBytes = GC.AllocateUninitializedArray<byte>((int)BlockGeometry.LeafBytes * 2);
        byte[] compressed = GC.AllocateUninitializedArray<byte>(BlockGeometry.BlockBytes);
        // What is only looked at stays in the processor's cache.
        Memory<byte> one = PageMemory.Allocate(BlockGeometry.BlockBytes);
        for (int run = next(); run >= 0; run = next())
        {
            StoredRun item = _index[run];
            if (item.Blocks.Length == 0) continue;
            Memory<byte> plain = target?.Rent() ?? one;
            int first = item.Blocks[0].Offset, length = item.Blocks[^1].Offset + item.Blocks[^1].StoredLength - first;
            clock.Start();
            stored.Read(item.PackOffset + first, sealedBytes.AsSpan(0, length));
            clock.Was(Primitive.Read);
            foreach (StoredBlock block in item.Blocks)
            {
                Span<byte> into = plain.Span.Slice(target is null ? 0 : block.At, block.PlainLength);
                Span<byte> opened = block.How == Codec.Stored
                    ? into
                    : compressed.AsSpan(0, block.StoredLength - cipher.Overhead);
                if (!cipher.TryOpen(Ordinal(run, block.At), [],
                    sealedBytes.AsSpan(block.Offset - first, block.StoredLength), opened))
                    throw new InvalidDataException("A seal is broken.");
                clock.Was(Primitive.Open);
                if (block.How != Codec.Stored) codec.Decompress(opened, into);
                clock.Was(Primitive.Decompress);
                if (Hash256.Of(into) != block.Hash) throw new InvalidDataException("A block has other bytes.");
                clock.Was(Primitive.Sha256);
            }
            target?.Write(plain, _runs[run].Offset, Neighbours(item.Blocks));
        }
    }

    /// <summary>The runs of bytes that blocks cover.</summary>
    private static (int First, int Length)[] Neighbours(StoredBlock[] blocks)
    {
        var runs = new List<(int First, int Length)>();
        foreach (StoredBlock block in blocks)
        {
            if (runs.Count > 0 && runs[^1].First + runs[^1].Length == block.At)
                runs[^1] = (runs[^1].First, runs[^1].Length + block.PlainLength);
            else runs.Add((block.At, block.PlainLength));
        }
        return [.. runs];
    }

    /// <summary>A number that no other block has: the nonce.</summary>
    private int Ordinal(int run, int at) => (int)((_runs[run].Offset + at) / BlockGeometry.BlockBytes);

    private void RunWorkers(Action<int, Func<int>> work)
    {
        int taken = -1;
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, _workers).Select(worker => new Thread(() =>
        {
            try
            {
                work(worker, () => failure is null && Interlocked.Increment(ref taken) is int run
                    && run < _runs.Count ? run : -1);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, e, null);
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        if (failure is not null) throw new InvalidOperationException("A worker has failed.", failure);
    }

    private PrimitiveClock[] NewClocks() => [.. Enumerable.Range(0, _workers).Select(_ => new PrimitiveClock())];

    /// <summary>The blocks of one run.</summary>
    /// <param name="PackOffset">Where their pack begins in the file.</param>
    /// <param name="Blocks">The blocks.</param>
    private readonly record struct StoredRun(long PackOffset, StoredBlock[] Blocks);

    /// <summary>One block.</summary>
    /// <param name="At">Where it begins in its run.</param>
    /// <param name="PlainLength">Its length.</param>
    /// <param name="Offset">Where it begins in the pack.</param>
    /// <param name="StoredLength">Its length there.</param>
    /// <param name="How">Whether it is compressed.</param>
    /// <param name="Hash">Its SHA-256.</param>
    private readonly record struct StoredBlock(
        int At, int PlainLength, int Offset, int StoredLength, Codec How, Hash256 Hash);
}
