using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Output;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// Turns the engine's progress, which comes from any thread and as often as it likes, into progress records twice a
/// second. Disposing it takes the bar away.
/// </summary>
internal sealed class ProgressReporter : IActivity
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_beforeEstimate = TimeSpan.FromSeconds(3);

    private readonly object _gate = new();
    private readonly Action<ProgressRecord, bool> _send;
    private readonly TimeProvider _clock;
    private readonly int _activityId;
    private readonly int _parentId;
    private readonly string _activity;
    private readonly long _started;
    private long _lastSent;
    private bool _anySent;
    private bool _ended;

    /// <param name="send">Takes a record to the pipeline; its second argument is true for the one that must not be
    /// lost.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="activityId">The number of this bar, unique within the command.</param>
    /// <param name="parentId">The number of the bar above it, or -1.</param>
    /// <param name="activity">What is going on, and with what.</param>
    internal ProgressReporter(Action<ProgressRecord, bool> send, TimeProvider clock, int activityId, int parentId,
        string activity)
    {
        _send = send;
        _clock = clock;
        _activityId = activityId;
        _parentId = parentId;
        _activity = DisplayText.CleanLine(activity);
        _started = clock.GetTimestamp();
    }

    /// <inheritdoc/>
    public void Report(OperationProgress value)
    {
        lock (_gate)
        {
            if (_ended) return;
            long now = _clock.GetTimestamp();
            if (_anySent && _clock.GetElapsedTime(_lastSent, now) < s_interval) return;
            _lastSent = now;
            _anySent = true;
            _send(CreateRecord(value, _clock.GetElapsedTime(_started, now)), false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_ended) return;
            _ended = true;
            if (!_anySent) return;
            _send(new ProgressRecord(_activityId, _activity, "Done")
            {
                ParentActivityId = _parentId,
                RecordType = ProgressRecordType.Completed,
            }, true);
        }
    }

    private ProgressRecord CreateRecord(OperationProgress value, TimeSpan elapsed)
    {
        string done = value.TotalBytes is long all
            ? $"{ByteSize.Format(value.DoneBytes)} of {ByteSize.Format(all)}"
            : ByteSize.Format(value.DoneBytes);
        var record = new ProgressRecord(_activityId, _activity, done)
        {
            ParentActivityId = _parentId,
            CurrentOperation = DisplayText.CleanLine(value.Activity),
        };
        if (value.TotalBytes is long total && total > 0)
        {
            double share = Math.Min(1.0, Math.Max(0.0, (double)value.DoneBytes / total));
            record.PercentComplete = (int)(share * 100);
            if (elapsed >= s_beforeEstimate && share > 0)
                record.SecondsRemaining = (int)Math.Min(int.MaxValue, elapsed.TotalSeconds * (1 - share) / share);
        }
        return record;
    }
}
