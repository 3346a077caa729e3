using System.Diagnostics;

namespace Natalia.Backup.Benchmarks;

/// <summary>What a worker of <see cref="Primitives"/> does with a block.</summary>
internal enum Primitive
{
    Read,
    ZeroTest,
    Sha256,
    Compress,
    Decompress,
    Seal,
    Open,
    PackSha256,
}

/// <summary>
/// How long one worker has spent in each primitive, by the clock. Not thread-safe: each worker has its own.
/// </summary>
internal sealed class PrimitiveClock
{
    private readonly long[] _ticks = new long[Enum.GetValues<Primitive>().Length];
    private long _last;

    /// <summary>What comes next is measured from here.</summary>
    internal void Start() => _last = Stopwatch.GetTimestamp();

    /// <summary>What was done since the last call, or since the start, was this.</summary>
    internal void Was(Primitive what)
    {
        long now = Stopwatch.GetTimestamp();
        _ticks[(int)what] += now - _last;
        _last = now;
    }

    /// <summary>The seconds of all workers in each primitive that was used.</summary>
    internal static IReadOnlyDictionary<Primitive, double> Sum(IEnumerable<PrimitiveClock> clocks)
    {
        PrimitiveClock[] all = [.. clocks];
        return Enum.GetValues<Primitive>()
            .Select(p => (Primitive: p, Ticks: all.Sum(c => c._ticks[(int)p])))
            .Where(p => p.Ticks > 0)
            .ToDictionary(p => p.Primitive, p => p.Ticks / (double)Stopwatch.Frequency);
    }
}
