using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Output;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// Turns the engine's progress, which comes from any thread and as often as it likes, into progress records twice a
/// second: what is done of how much, how fast, and how long it will take. What is over within a second shows no bar,
/// and what stands still shows it. Disposing it takes the bar away.
/// </summary>
internal sealed class ProgressReporter : IActivity
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_beforeBar = TimeSpan.FromSeconds(1);

    private readonly object _gate = new();
    private readonly Action<ProgressRecord, bool> _send;
    private readonly TimeProvider _clock;
    private readonly int _activityId;
    private readonly int _parentId;
    private readonly string _activity;
    private readonly ProgressRate _rate;
    private readonly ITimer _timer;
    private readonly long _started;
    private OperationProgress? _latest;
    private long _lastReport, _lastSent;
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
        _rate = new ProgressRate(clock);
        _started = clock.GetTimestamp();
        _timer = clock.CreateTimer(_ => Repeat(), null, s_beforeBar, s_beforeBar);
    }

    /// <inheritdoc/>
    public void Report(OperationProgress value)
    {
        lock (_gate)
        {
            if (_ended) return;
            if (_latest is null) _rate.Add(value.DoneBytes);
            // A step may be the last that is told for long: the timer shows it when this does not.
            _latest = value;
            _lastReport = _clock.GetTimestamp();
            SendWhenDue(_lastReport);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
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

    /// <summary>Shows the latest again: a rate falls when nothing comes.</summary>
    private void Repeat()
    {
        lock (_gate)
        {
            long now = _clock.GetTimestamp();
            if (!_ended && _latest is not null && _clock.GetElapsedTime(_lastReport, now) >= s_interval)
                SendWhenDue(now);
        }
    }

    private void SendWhenDue(long now)
    {
        if (_clock.GetElapsedTime(_started, now) < s_beforeBar
            || (_anySent && _clock.GetElapsedTime(_lastSent, now) < s_interval))
            return;
        _lastSent = now;
        _anySent = true;
        _rate.Add(_latest!.DoneBytes);
        _send(CreateRecord(_latest), false);
    }

    private ProgressRecord CreateRecord(OperationProgress value)
    {
        string step = DisplayText.CleanLine(value.Activity);
        string status = Status(value);
        // A step that counts nothing is told where a person looks first.
        var record = new ProgressRecord(_activityId, _activity,
            status.Length > 0 ? status : step.Length > 0 ? step : _activity)
        {
            ParentActivityId = _parentId,
            CurrentOperation = step,
        };
        if (value.TotalBytes is not long total || total <= 0) return record;
        long left = Math.Max(0, total - value.DoneBytes);
        record.PercentComplete = (int)(100 * Math.Min(1.0, Math.Max(0.0, (double)value.DoneBytes / total)));
        if (_rate.PerSecond is double rate and > 0)
            record.SecondsRemaining = (int)Math.Min(int.MaxValue, Math.Ceiling(left / rate));
        return record;
    }

    /// <summary>How much of how much, and how fast; empty where nothing is counted.</summary>
    private string Status(OperationProgress value)
    {
        if (value.TotalBytes is null && value.DoneBytes == 0) return "";
        if (value.Unit == "%") return $"{Number(value.DoneBytes)} %";
        string Amount(long count) => value.Unit is null ? ByteSize.Format(count) : Number(count);
        string done = value.TotalBytes is long all
            ? $"{Amount(value.DoneBytes)} of {Amount(all)}"
            : Amount(value.DoneBytes);
        if (value.Unit is string unit) return $"{done} {unit}";
        return _rate.PerSecond is double rate ? $"{done}, {ByteSize.Format((long)rate)}/s" : done;
    }

    private static string Number(long count) => count.ToString(CultureInfo.InvariantCulture);
}
