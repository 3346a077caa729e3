using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Running;
using Natalia.Backup.Engine.Compression;
using ZstdSharp;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// How fast zstd is on the blocks of a real disk, and how small it makes them: what the engine's settings and its
/// choice of a library rest on.
/// </summary>
public class Compression
{
    private const int BlockBytes = 65536, Blocks = 400;
    private const string DiskVariable = "NATALIA_BENCHMARK_DISK";
    private readonly byte[] _target = new byte[BlockBytes];
    private readonly List<byte[]> _blocks = [], _frames = [];
    private Zstd _zstd = null!;

    /// <summary>
    /// The system's library and the port in managed code, both with the engine's settings; the port's own levels.
    /// </summary>
    [Params("system", "managed", "managed, level 1", "managed, level -1", "managed, level 2")]
    public string Settings { get; set; } = "";

    internal static void Run(string[] args)
    {
        if (args.Length < 1 || !File.Exists(args[0]))
            throw new ArgumentException("Name a disk image, for instance the one of make-disk.sh.");
        Environment.SetEnvironmentVariable(DiskVariable, Path.GetFullPath(args[0]));
        BenchmarkRunner.Run<Compression>(null, [.. args.Skip(1)]);
    }

    [GlobalSetup]
    public void SetUp()
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle disk =
            File.OpenHandle(Environment.GetEnvironmentVariable(DiskVariable)!);
        var random = new Random(1);
        long length = RandomAccess.GetLength(disk);
        while (_blocks.Count < Blocks)
        {
            var block = new byte[BlockBytes];
            RandomAccess.Read(disk, block, random.NextInt64(length / BlockBytes) * BlockBytes);
            if (block.AsSpan().IndexOfAnyExcept((byte)0) >= 0) _blocks.Add(block);
        }
        _zstd = Settings switch
        {
            "system" =>
                ZstdLibrary.Instance is ZstdLibrary library
                    ? new NativeZstd(library)
                    : throw new PlatformNotSupportedException("This system has no libzstd."),
            "managed" => new ManagedZstd(),
            _ => new Level(int.Parse(Settings.Split(' ')[^1])),
        };
        foreach (byte[] block in _blocks)
            _frames.Add(_target.AsSpan(0,
                _zstd.TryCompress(block, _target.AsSpan(0, BlockBytes - BlockBytes / 32)) ?? 0)
                .ToArray());
        Console.WriteLine($"// {Settings}: {Blocks * (double)BlockBytes / CompressBlocks():F3} to 1");
    }

    /// <summary>400 blocks of 64 KiB: 25 MiB.</summary>
    [Benchmark]
    public long CompressBlocks()
    {
        long total = 0;
        foreach (byte[] block in _blocks)
            total += _zstd.TryCompress(block, _target.AsSpan(0, BlockBytes - BlockBytes / 32)) ?? BlockBytes;
        return total;
    }

    /// <summary>Those of them that were compressed.</summary>
    [Benchmark]
    public long DecompressBlocks()
    {
        long total = 0;
        foreach (byte[] frame in _frames) total += frame.Length == 0 ? 0 : _zstd.Decompress(frame, _target);
        return total;
    }

    private sealed class Level(int level) : Zstd
    {
        private readonly Compressor _compressor = new(level);
        private readonly Decompressor _decompressor = new();

        internal override int? TryCompress(ReadOnlySpan<byte> plain, Span<byte> frame) =>
            _compressor.TryWrap(plain, frame, out int written) ? written : null;

        internal override int Decompress(ReadOnlySpan<byte> frame, Span<byte> plain) =>
            _decompressor.Unwrap(frame, plain);

        public override void Dispose()
        {
            _compressor.Dispose();
            _decompressor.Dispose();
        }
    }
}
