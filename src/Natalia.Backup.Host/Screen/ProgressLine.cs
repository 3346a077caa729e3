using System.Globalization;
using System.Management.Automation;
using System.Text;

namespace Natalia.Backup.Host.Screen;

/// <summary>
/// Progress on one line of stderr, at most ten times a second. It makes room for whatever else is written and leaves nothing behind.
/// Not thread-safe: the terminal's lock guards it.
/// </summary>
internal sealed class ProgressLine(bool enabled, Func<int> width, TimeProvider clock)
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(100);

    private readonly List<(long Source, ProgressRecord Record)> _active = [];
    private long _drawnAt;
    private bool _drawn;

    public void Show(long source, ProgressRecord record, bool atLineStart)
    {
        if (!enabled)
            return;

        _active.RemoveAll(a => a.Source == source && a.Record.ActivityId == record.ActivityId);
        if (record.RecordType == ProgressRecordType.Completed)
        {
            if (_active.Count == 0)
                Erase();
            return;
        }

        _active.Add((source, record));
        if (!atLineStart || (_drawn && clock.GetElapsedTime(_drawnAt) < s_interval))
            return;

        Console.Error.Write("\r\e[K" + Fit(Text(record)));
        _drawn = true;
        _drawnAt = clock.GetTimestamp();
    }

    /// <summary>Takes the line away; the next report draws it again.</summary>
    public void Erase()
    {
        if (!_drawn)
            return;
        Console.Error.Write("\r\e[K");
        _drawn = false;
    }

    public void Clear()
    {
        _active.Clear();
        Erase();
    }

    internal static string Text(ProgressRecord record)
    {
        var text = new StringBuilder(record.Activity).Append(": ").Append(record.StatusDescription);
        if (record.PercentComplete >= 0)
        {
            const int Cells = 20;
            var filled = Math.Min(record.PercentComplete, 100) * Cells / 100;
            text.Append(" [").Append('#', filled).Append('.', Cells - filled).Append("] ")
                .Append(record.PercentComplete.ToString(CultureInfo.InvariantCulture)).Append(" %");
        }

        if (record.SecondsRemaining >= 0)
            text.Append(", ").Append(TimeSpan.FromSeconds(record.SecondsRemaining).ToString("c", CultureInfo.InvariantCulture)).Append(" left");
        if (!string.IsNullOrEmpty(record.CurrentOperation))
            text.Append(", ").Append(record.CurrentOperation);
        return text.Replace('\r', ' ').Replace('\n', ' ').ToString();
    }

    // The last column stays free: a full line would wrap, and erasing takes back one line only.
    private string Fit(string text)
    {
        var room = Math.Max(width() - 1, 10);
        return text.Length <= room ? text : string.Concat(text.AsSpan(0, room - 3), "...");
    }
}
