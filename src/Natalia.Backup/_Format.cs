using System.ComponentModel;
using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup;

/// <summary>
/// What the format file shows. Takes anything, also values that came back from a job as text; shows nothing for
/// nothing.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class _Format
{
    private const int ShortIdLength = 8;

    /// <summary>A size with a binary unit: <c>1.50 GiB</c>.</summary>
    /// <param name="bytes">Bytes, or nothing.</param>
    public static string Size(object? bytes) => TryConvert(bytes, out long value) ? ByteSize.Format(value) : "";

    /// <summary>A size with a binary unit and in bytes: <c>1.50 GiB (1,610,612,736 bytes)</c>.</summary>
    /// <param name="bytes">Bytes, or nothing.</param>
    public static string ExactSize(object? bytes) =>
        TryConvert(bytes, out long value)
            ? string.Format(CultureInfo.InvariantCulture, "{0} ({1:N0} bytes)", ByteSize.Format(value), value)
            : "";

    /// <summary>A time in UTC, to the second: <c>2026-11-23 18:00:00</c>.</summary>
    /// <param name="time">A time, or nothing.</param>
    public static string Utc(object? time) =>
        TryConvert(time, out DateTime value)
            ? (value.Kind == DateTimeKind.Local ? value.ToUniversalTime() : value).ToString("yyyy-MM-dd HH:mm:ss",
                CultureInfo.InvariantCulture)
            : "";

    /// <summary>
    /// A time in UTC with what it is in the reader's zone: <c>2026-11-23 18:00:00 UTC (19:00:00 local)</c>.
    /// </summary>
    /// <param name="time">A time, or nothing.</param>
    public static string UtcAndLocal(object? time)
    {
        if (!TryConvert(time, out DateTime value)) return "";
        DateTime utc = value.Kind == DateTimeKind.Local
            ? value.ToUniversalTime()
            : DateTime.SpecifyKind(value, DateTimeKind.Utc);
        DateTime local = utc.ToLocalTime();
        string format = local.Date == utc.Date ? "HH:mm:ss" : "yyyy-MM-dd HH:mm:ss";
        return string.Format(CultureInfo.InvariantCulture, "{0} UTC ({1} local)", Utc(utc),
            local.ToString(format, CultureInfo.InvariantCulture));
    }

    /// <summary>The day of a time that is still to come: <c>2026-12-23</c>; nothing for one that has passed.</summary>
    /// <param name="time">A time in UTC, or nothing.</param>
    public static string FutureDate(object? time) =>
        TryConvert(time, out DateTime value) && value > DateTime.UtcNow
            ? value.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
            : "";

    /// <summary>The first digits of an id.</summary>
    /// <param name="id">An id, or nothing.</param>
    public static string ShortId(object? id) =>
        Text(id) is { Length: > ShortIdLength } text ? text.Substring(0, ShortIdLength) : Text(id);

    /// <summary>A duration: <c>0.35 s</c>, <c>12.4 s</c>, <c>3:07 min</c>, <c>2:15:00 h</c>.</summary>
    /// <param name="duration">A duration, or nothing.</param>
    public static string Duration(object? duration)
    {
        if (!TryConvert(duration, out TimeSpan value)) return "";
        double seconds = value.TotalSeconds;
        if (seconds < 59.95)
            return seconds.ToString(seconds < 9.995 ? "0.00" : "0.0", CultureInfo.InvariantCulture) + " s";
        TimeSpan whole = TimeSpan.FromSeconds(Math.Round(seconds));
        return whole.TotalHours < 1
            ? string.Format(CultureInfo.InvariantCulture, "{0}:{1:00} min", whole.Minutes, whole.Seconds)
            : string.Format(CultureInfo.InvariantCulture, "{0}:{1:00}:{2:00} h", (long)whole.TotalHours, whole.Minutes,
                whole.Seconds);
    }

    /// <summary>What a repair found, one below the other; the first 20.</summary>
    /// <param name="findings">The findings, live or from a job; or nothing.</param>
    public static string Findings(object? findings)
    {
        const int Shown = 20;
        if ((findings is PSObject wrapped ? wrapped.BaseObject : findings) is not System.Collections.IEnumerable all)
            return "none";
        List<PSObject> items = [.. all.Cast<object>().Select(PSObject.AsPSObject)];
        if (items.Count == 0) return "none";
        IEnumerable<string> lines = items.Take(Shown)
            .Select(f => $"{Text(f.Properties["Kind"]?.Value)} ({Text(f.Properties["Action"]?.Value)}): "
                + $"{Text(f.Properties["Detail"]?.Value)}");
        if (items.Count > Shown) lines = lines.Append($"And {items.Count - Shown} more: see the property Findings.");
        return string.Join(Environment.NewLine, lines);
    }

    /// <summary>What sets a point apart: that it is protected, that it is a copy.</summary>
    /// <param name="isProtected">Whether retention must not take it.</param>
    /// <param name="original">The id of what it is a copy of, or nothing.</param>
    public static string Marks(object? isProtected, object? original) => Marks(isProtected, original, null);

    /// <summary>As above, and what is wrong with a point's time.</summary>
    /// <param name="isProtected">Whether it is protected.</param>
    /// <param name="original">The id of what it is a copy of, or nothing.</param>
    /// <param name="isInFuture">Whether its time lies in the future.</param>
    public static string Marks(object? isProtected, object? original, object? isInFuture) =>
        Marks(isProtected, original, isInFuture, null);

    /// <summary>As above, and whether its file was renamed.</summary>
    /// <param name="isProtected">Whether it is protected.</param>
    /// <param name="original">The id of what it is a copy of, or nothing.</param>
    /// <param name="isInFuture">Whether its time lies in the future.</param>
    /// <param name="isRenamed">Whether its file bears a name that the storage did not give.</param>
    public static string Marks(object? isProtected, object? original, object? isInFuture, object? isRenamed) =>
        string.Join(", ", new[]
    {
        TryConvert(isRenamed, out bool renamed) && renamed ? "renamed" : "",
        TryConvert(isInFuture, out bool ahead) && ahead ? "in the future" : "",
        TryConvert(isProtected, out bool value) && value ? "protected" : "", Text(original).Length > 0 ? "copy" : "",
    }.Where(m => m.Length > 0));

    /// <summary>A text in so many characters: of a longer one the end, for the ends of paths differ.</summary>
    /// <param name="text">A text, or nothing.</param>
    /// <param name="length">How many characters there are.</param>
    public static string End(object? text, int length)
    {
        string line = Text(text);
        return line.Length <= length ? line : "\u2026" + line.Substring(line.Length - length + 1);
    }

    /// <summary>Why a check ended as it did: its detail, else what is and what should be.</summary>
    /// <param name="detail">A sentence, or nothing.</param>
    /// <param name="expected">What should be, or nothing.</param>
    /// <param name="actual">What is, or nothing.</param>
    public static string Finding(object? detail, object? expected, object? actual)
    {
        if (Text(detail) is { Length: > 0 } sentence) return sentence;
        string should = Amount(Text(expected)), found = Amount(Text(actual));
        return should.Length == 0 || should == found
            ? found
            : found.Length == 0 ? $"expected: {should}" : $"{found} (expected: {should})";
    }

    /// <summary>A count of bytes for the eye; any other text as it is.</summary>
    private static string Amount(string text) =>
        text.EndsWith(" bytes", StringComparison.Ordinal)
        && long.TryParse(text.Substring(0, text.Length - 6), NumberStyles.None, CultureInfo.InvariantCulture,
            out long bytes)
            ? ByteSize.Format(bytes)
            : text;

    /// <summary>A list on one line.</summary>
    /// <param name="items">The items, or nothing.</param>
    public static string List(object? items)
    {
        object? value = items is PSObject wrapped ? wrapped.BaseObject : items;
        return value is System.Collections.IEnumerable list and not string
            ? string.Join(", ", list.Cast<object?>().Select(Text))
            : Text(value);
    }

    /// <summary>A text from elsewhere on one line; what would command the terminal is made visible.</summary>
    /// <param name="text">A text, or nothing.</param>
    public static string Line(object? text) => Text(text);

    /// <summary>
    /// A text from elsewhere for the last column of a table, broken between words: the console itself breaks wherever a
    /// line is full.
    /// </summary>
    /// <param name="text">A text, or nothing.</param>
    /// <param name="used">How many columns the others take, with the gaps between them.</param>
    /// <param name="host">The host that shows it.</param>
    public static string Words(object? text, int used, object? host)
    {
        string line = Text(text);
        return WidthOf(host) is int width && width - used > 8 ? WordWrap.Break(line, width - used) : line;
    }

    /// <summary>Yes, no, or nothing.</summary>
    /// <param name="flag">A truth value, or nothing.</param>
    public static string YesNo(object? flag) => TryConvert(flag, out bool value) ? (value ? "yes" : "no") : "";

    /// <summary>
    /// The columns that a table may have; null where the host does not know: then nothing is broken here.
    /// </summary>
    private static int? WidthOf(object? host)
    {
        try
        {
            // The formatter leaves the last column free.
            return (host is PSObject wrapped ? wrapped.BaseObject : host)
                is System.Management.Automation.Host.PSHost { UI.RawUI: { } screen }
                ? screen.BufferSize.Width - 1
                : null;
        }
        catch (Exception e)
            when (e is System.Management.Automation.Host.HostException or NotImplementedException
                or NotSupportedException or System.IO.IOException)
        {
            // A host without a screen: what is written goes to a file or another program.
            return null;
        }
    }

    private static string Text(object? value) => DisplayText.CleanLine(value?.ToString());

    private static bool TryConvert<T>(object? value, out T result) where T : struct
    {
        result = default;
        return value is not null && LanguagePrimitives.TryConvertTo(value, CultureInfo.InvariantCulture, out result);
    }
}
