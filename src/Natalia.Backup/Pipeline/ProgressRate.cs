namespace Natalia.Backup.Pipeline;

/// <summary>
/// How fast something is going, by what was done within the last seconds: what came before, such as a part that was
/// skipped, says nothing of what is to come. Not thread-safe.
/// </summary>
/// <param name="clock">The clock.</param>
internal sealed class ProgressRate(TimeProvider clock)
{
    private static readonly TimeSpan s_window = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_least = TimeSpan.FromSeconds(2);

    private readonly Queue<(long At, long Done)> _samples = new();
    private (long At, long Done) _newest;

    /// <summary>Takes how much is done by now; less than before begins anew, as with the next disk.</summary>
    internal void Add(long done)
    {
        if (_samples.Count > 0 && done < _newest.Done) _samples.Clear();
        _newest = (clock.GetTimestamp(), done);
        _samples.Enqueue(_newest);
        // The oldest that is kept lies a whole window back, or the window would be shorter than it.
        while (_samples.Count > 2 && clock.GetElapsedTime(_samples.ElementAt(1).At, _newest.At) >= s_window)
            _samples.Dequeue();
    }

    /// <summary>How much is done in a second; null while it is too early to say.</summary>
    internal double? PerSecond
    {
        get
        {
            if (_samples.Count < 2) return null;
            (long at, long done) = _samples.Peek();
            TimeSpan span = clock.GetElapsedTime(at, _newest.At);
            return span < s_least ? null : (_newest.Done - done) / span.TotalSeconds;
        }
    }
}
