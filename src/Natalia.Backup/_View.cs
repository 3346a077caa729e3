using System.Collections;
using System.ComponentModel;
using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup;

/// <summary>
/// What the format files show, as properties with an index: in a session of constrained language, scripts may read
/// properties and indexes, and call no methods, so that a table of method calls would be blank there.
/// </summary>
/// <remarks>
/// Each takes the object that is shown and the name of one of its properties; also objects that came back from a job.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class _View
{
    /// <summary>A text on one line.</summary>
    public static _ViewColumn Line { get; } = new(_Format.Line);
    /// <summary>A size with a binary unit.</summary>
    public static _ViewColumn Size { get; } = new(_Format.Size);
    /// <summary>A size with a binary unit and in bytes.</summary>
    public static _ViewColumn ExactSize { get; } = new(_Format.ExactSize);
    /// <summary>A time in UTC, to the second.</summary>
    public static _ViewColumn Utc { get; } = new(_Format.Utc);
    /// <summary>A time in UTC, to the minute; of several times the first.</summary>
    public static _ViewColumn Minute { get; } =
        new(time => _Format.Utc(First(time)) is { Length: > 16 } text ? text.Substring(0, 16) : "");
    /// <summary>Several times in UTC.</summary>
    public static _ViewColumn Times { get; } = new(times => string.Join(", ", Items(times).Select(_Format.Utc)));
    /// <summary>A time in UTC and in the reader's zone.</summary>
    public static _ViewColumn UtcAndLocal { get; } = new(_Format.UtcAndLocal);
    /// <summary>The day of a time that is still to come.</summary>
    public static _ViewColumn FutureDate { get; } = new(_Format.FutureDate);
    /// <summary>The first digits of an id.</summary>
    public static _ViewColumn ShortId { get; } = new(_Format.ShortId);
    /// <summary>A duration.</summary>
    public static _ViewColumn Duration { get; } = new(_Format.Duration);
    /// <summary>What a repair found.</summary>
    public static _ViewColumn Findings { get; } = new(_Format.Findings);
    /// <summary>A list on one line.</summary>
    public static _ViewColumn List { get; } = new(_Format.List);
    /// <summary>Yes, no, or nothing.</summary>
    public static _ViewColumn YesNo { get; } = new(_Format.YesNo);
    /// <summary>How many extents there are.</summary>
    public static _ViewColumn Extents { get; } =
        new(extents => Items(extents).Count() is > 0 and int count ? Plural.Count(count, "extent") : "");
    /// <summary>
    /// A name in a column of so many characters, on as many lines as it takes: names differ at their ends.
    /// </summary>
    public static _ViewName Name { get; } =
        new((one, property, width) => Fold(_Format.Line(Value(one, property)), width));
    /// <summary>A list in a column of so many characters, on as many lines as it takes.</summary>
    public static _ViewName Names { get; } =
        new((one, property, width) => Fold(_Format.List(Value(one, property)), width));
    /// <summary>A text for the last column of a table, broken between words.</summary>
    public static _ViewWords Text { get; } =
        new((one, property, used, host) => _Format.Words(Value(one, property), used, host));
    /// <summary>An appliance by its name, else by the beginning of its id.</summary>
    public static _ViewWidth Appliance { get; } = new((one, width) => Fold(ApplianceOf(one), width));
    /// <summary>Of which repository, hypervisor and appliance something speaks: <c>nas: natalia-paris</c>.</summary>
    public static _ViewWidth Subject { get; } = new((one, width) => Fold(SubjectOf(one), width));
    /// <summary>What sets a point apart.</summary>
    public static _ViewWidth Marks { get; } = new((one, width) => Fold(_Format.Marks(Value(one, "IsProtected"),
        Value(one, "OriginalRestorePointId"), Value(one, "IsInFuture"), Value(one, "IsRenamed")), width));
    /// <summary>What a check was about and why it ended as it did.</summary>
    public static _ViewRest Finding { get; } = new((one, used, host) => _Format.Words(FindingOf(one), used, host));
    /// <summary>Whose points a plan is about, and by which policy.</summary>
    public static _ViewObject Plan { get; } = new(one => SubjectOf(one) is { Length: > 0 } subject
        ? $"{subject}: {_Format.Line(Value(one, "Policy"))}"
        : _Format.Line(Value(one, "Policy")));
    /// <summary>Which appliance a measurement is about, and by which strategy.</summary>
    public static _ViewObject Measured { get; } =
        new(one => $"{SubjectOf(one)} ({_Format.Line(Value(one, "Strategy"))})");
    /// <summary>Where a hypervisor's schedule writes and what it keeps; of another one how its runs go.</summary>
    public static _ViewRest ScheduleState { get; } = new((one, used, host) =>
        _Format.Words(ScheduleStateOf(one), used, host));

    internal static string SubjectOf(PSObject one)
    {
        string place = _Format.Line(Value(one, "Repository")) is { Length: > 0 } repository
            ? repository
            : _Format.ShortId(Value(one, "RepositoryId")) is { Length: > 0 } id
                ? id
                : _Format.Line(Value(one, "Hypervisor"));
        return string.Join(": ", new[] { place, ApplianceOf(one) }.Where(t => t.Length > 0));
    }

    private static string ApplianceOf(PSObject one) =>
        _Format.Line(Value(one, "ApplianceName")) is { Length: > 0 } name
            ? name
            : _Format.ShortId(Value(one, "ApplianceId"));

    private static string FindingOf(PSObject one)
    {
        string finding = string.Equals(_Format.Line(Value(one, "Result")), "Passed", StringComparison.Ordinal)
            // As it should be: what should be says nothing more.
            ? _Format.Finding(Value(one, "Detail"), null, Value(one, "Actual"))
            : _Format.Finding(Value(one, "Detail"), Value(one, "Expected"), Value(one, "Actual"));
        string target = _Format.Line(Value(one, "Target"));
        if (target.Length == 0 || target == ApplianceOf(one) || finding.Contains(target)) return finding;
        return finding.Length == 0 ? target : $"{target}: {finding}";
    }

    private static string ScheduleStateOf(PSObject one) =>
        (_Format.YesNo(Value(one, "IsEnabled")) == "no" ? "switched off; " : "") + ScheduleRunsOf(one);

    private static string ScheduleRunsOf(PSObject one)
    {
        string profile = _Format.Line(Value(one, "ProfilePath"));
        if (profile.Length == 0 && _Format.Line(Value(one, "Storage")) is { Length: > 0 } storage)
            return $"{_Format.Line(Value(one, "Expression"))} to {storage}, keeps {KeepsOf(one)}";
        if (profile.Length == 0) return _Format.List(Value(one, "Warnings"));
        string result = _Format.Line(Value(one, "LastResult"));
        string last = result switch
        {
            "Unknown" => "last run not known",
            "NeverRan" => "never ran",
            "Running" => "running",
            "Queued" => "waits to be started",
            _ => $"last run {result.ToLowerInvariant()}",
        };
        string newest = _Format.YesNo(Value(one, "IsOverdue")) switch
        {
            "" => "",
            "yes" => ", points overdue",
            _ => $", newest point {_Format.Utc(Value(one, "NewestPointUtc"))}",
        };
        string copies = _Format.List(Value(one, "CopyTo")) is { Length: > 0 } to ? $", copies to {to}" : "";
        return last + newest + copies;
    }

    private static string KeepsOf(PSObject one)
    {
        if (Value(one, "Retention") is not { } kept) return "what is not known";
        string source = _Format.Line(Value(one, "RetentionSource"));
        return _Format.Line(kept)
            + (source.Length == 0 || source == "Schedule" ? "" : $" (by the {source.ToLowerInvariant()})");
    }

    private static string Fold(string text, int width) => WordWrap.Break(text, Math.Max(1, width));

    internal static object? Value(PSObject one, string property) => one.Properties[property]?.Value;

    private static object? First(object? value) => Items(value).FirstOrDefault();

    private static IEnumerable<object?> Items(object? value) =>
        (value is PSObject wrapped ? wrapped.BaseObject : value) switch
        {
            null => [],
            string text => [text],
            IEnumerable list => list.Cast<object?>(),
            object one => [one],
        };
}
