using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Running;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Natalia.Backup.Benchmarks;

/// <summary>How fast zstd's settings are on the blocks of a real disk, and how small they make them: what Natalia.Backup.Engine.Sealing.SegmentCodec's settings rest on.</summary>
public class Compression
{
    private const int BlockBytes = 65536, Blocks = 400;
    private const string DiskVariable = "NATALIA_BENCHMARK_DISK";
    private readonly byte[] _target = new byte[BlockBytes];
    private List<byte[]> _blocks = [];
    private Compressor _compressor = null!;

    /// <summary>Level 1 as it is; level 1 with a table that fits the first cache, as the engine has it; the next faster and the next slower level.</summary>
    [Params("level 1", "engine", "level -1", "level 2")]
    public string Settings { get; set; } = "";

    internal static void Run(string[] args)
    {
        if (args.Length < 1 || !File.Exists(args[0])) throw new ArgumentException("Name a disk image, for instance the one of make-disk.sh.");
        Environment.SetEnvironmentVariable(DiskVariable, Path.GetFullPath(args[0]));
        BenchmarkRunner.Run<Compression>(null, [.. args.Skip(1)]);
    }

    [GlobalSetup]
    public void SetUp()
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle disk = File.OpenHandle(Environment.GetEnvironmentVariable(DiskVariable)!);
        var random = new Random(1);
        long length = RandomAccess.GetLength(disk);
        while (_blocks.Count < Blocks)
        {
            var block = new byte[BlockBytes];
            RandomAccess.Read(disk, block, random.NextInt64(length / BlockBytes) * BlockBytes);
            if (block.AsSpan().IndexOfAnyExcept((byte)0) >= 0) _blocks.Add(block);
        }
        _compressor = new Compressor(Settings switch { "level -1" => -1, "level 2" => 2, _ => 1 });
        if (Settings == "engine")
        {
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_strategy, (int)ZSTD_strategy.ZSTD_fast);
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_windowLog, 16);
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_hashLog, 11);
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_minMatch, 5);
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_targetLength, 1);
            _compressor.SetParameter(ZSTD_cParameter.ZSTD_c_experimentalParam5, (int)ZSTD_paramSwitch_e.ZSTD_ps_enable);
        }
        Console.WriteLine($"// {Settings}: {Blocks * (double)BlockBytes / CompressBlocks():F3} to 1");
    }

    /// <summary>400 blocks of 64 KiB: 25 MiB.</summary>
    [Benchmark]
    public long CompressBlocks()
    {
        long total = 0;
        foreach (byte[] block in _blocks) total += _compressor.TryWrap(block, _target.AsSpan(0, BlockBytes - BlockBytes / 32), out int written) ? written : BlockBytes;
        return total;
    }
}
