namespace Natalia.Backup.Serving.Disks;

/// <summary>
/// Tells from the places that are read which of them follow each other, and how far ahead to read then. Several streams
/// may run beside each other, and beside reads at random. Thread-safe.
/// </summary>
internal sealed class StreamFinder
{
    internal const long LargestWindow = 8 << 20;

    private const int Streams = 16;
    private const long FirstWindow = 512 * 1024;

    /// <summary>A stream may leave this much out: holes, what a file system keeps in between.</summary>
    private const long LargestGap = 256 * 1024;

    private readonly object _gate = new();
    private readonly Stream?[] _streams = new Stream?[Streams];
    private long _time;

    private sealed class Stream
    {
        internal long Next { get; set; }
        internal long Ahead { get; set; }
        internal int Hits { get; set; }
        internal long Used { get; set; }
    }

    /// <summary>Takes note of a read.</summary>
    /// <returns>What to read ahead, from one byte up to another; nothing when both are equal.</returns>
    internal (long From, long To) See(long offset, long length)
    {
        lock (_gate)
        {
            _time++;
            int oldest = 0;
            for (int i = 0; i < Streams; i++)
            {
                if (_streams[i] is not Stream stream)
                {
                    oldest = i;
                    continue;
                }
                if (offset >= stream.Next && offset - stream.Next <= LargestGap) return Continue(stream, offset
                    + length);
                if (_streams[oldest] is Stream other && stream.Used < other.Used) oldest = i;
            }
            _streams[oldest] = new Stream { Next = offset + length, Ahead = offset + length, Used = _time };
            return (0, 0);
        }
    }

    private (long From, long To) Continue(Stream stream, long end)
    {
        stream.Next = end;
        stream.Used = _time;
        stream.Hits++;
        // Two that follow each other may be chance.
        if (stream.Hits < 2) return (0, 0);
        long window = Math.Min(LargestWindow, FirstWindow << Math.Min(stream.Hits - 2, 8));
        long from = Math.Max(stream.Ahead, end), to = end + window;
        // In large pieces: half a window at once.
        if (to - from < window / 2) return (0, 0);
        stream.Ahead = to;
        return (from, to);
    }
}
