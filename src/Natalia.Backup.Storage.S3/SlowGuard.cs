namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Knows a line that merely drips: fewer than 64 KiB in a minute of waiting. Only waiting counts, so that whoever takes
/// the bytes may take their time.
/// </summary>
internal sealed class SlowGuard(TimeProvider clock)
{
    /// <summary>Bytes that must come in a minute.</summary>
    internal const int Least = 64 << 10;

    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(1);

    private TimeSpan _waited;
    private long _bytes;
    private long _since;

    /// <summary>Waiting begins.</summary>
    internal void Start() => _since = clock.GetTimestamp();

    /// <summary>Waiting has ended with some bytes.</summary>
    /// <exception cref="SlowLineException">They are too few.</exception>
    internal void Add(int bytes)
    {
        _waited += clock.GetElapsedTime(_since);
        _bytes += bytes;
        if (_waited < s_window) return;
        if (_bytes * s_window.TotalSeconds < Least * _waited.TotalSeconds)
            throw new SlowLineException($"Only {_bytes} bytes moved in {_waited.TotalSeconds:0} seconds.");
        _waited = TimeSpan.Zero;
        _bytes = 0;
    }
}

/// <summary>A line on which so little moves that waiting for the rest has no sense.</summary>
internal sealed class SlowLineException(string message) : IOException(message);
