using System.Collections;
using System.ComponentModel;
using System.Globalization;
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
    public static _ViewColumn Minute { get; } = new(Minutes);
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
    /// <summary>A list for the last column of a table.</summary>
    public static _ViewWords NamesRest { get; } =
        new((one, property, used, host) => _Format.Words(_Format.List(Value(one, property)), used, host));
    /// <summary>Of which repository, hypervisor and appliance something speaks: <c>nas: natalia-paris</c>.</summary>
    public static _ViewWidth Subject { get; } = new((one, width) => Fold(SubjectOf(one), width));
    /// <summary>As above, for the last column of a table.</summary>
    public static _ViewRest Whose { get; } = new((one, used, host) => _Format.Words(SubjectOf(one), used, host));
    /// <summary>Of which repository and appliance a point is, and what sets it apart.</summary>
    public static _ViewRest Point { get; } = new((one, used, host) => _Format.Words(PointOf(one), used, host));
    /// <summary>Which point was tested.</summary>
    public static _ViewWidth Tested { get; } = new((one, width) =>
        Fold($"{SubjectOf(one)} {Minutes(Value(one, "PointTimeUtc"))}", width));
    /// <summary>Where and how fast a point was restored for its test, and why the test ended as it did.</summary>
    public static _ViewRest TestRun { get; } = new((one, used, host) => _Format.Words(TestRunOf(one), used, host));
    /// <summary>Why something was recorded, of which point, and who did it.</summary>
    public static _ViewRest Deed { get; } = new((one, used, host) => _Format.Words(DeedOf(one), used, host));
    /// <summary>What an optimization did, and what it left.</summary>
    public static _ViewRest Reclaimed { get; } =
        new((one, used, host) => _Format.Words(ReclaimedOf(one), used, host));
    /// <summary>Whether a key slot can be used.</summary>
    public static _ViewRest KeyState { get; } = new((one, used, host) => _Format.Words(
        _Format.Line(Value(one, "Damage")) is { Length: > 0 } damage
            ? damage
            : (_Format.YesNo(Value(one, "IsWhole")) == "yes" ? "whole" : "not whole")
                + (_Format.YesNo(Value(one, "IsProven")) == "yes" ? ", opened by this session" : ""),
        used, host));
    /// <summary>Where a copy came from, how long it took, and what there is to say.</summary>
    public static _ViewRest Copied { get; } = new((one, used, host) => _Format.Words(Sentences(
        "from " + _Format.Line(Value(one, "SourceRepository"))
            + (_Format.Line(Value(one, "Status")) == "Copied" ? $" in {_Format.Duration(Value(one, "Duration"))}" : ""),
        _Format.Line(Value(one, "Reason"))), used, host));
    /// <summary>Whose a snapshot is, and what there is to say of it.</summary>
    public static _ViewRest Snapshot { get; } = new((one, used, host) => _Format.Words(Sentences(
        _Format.YesNo(Value(one, "IsOwn")) == "yes" ? "own" : "foreign", _Format.Line(Value(one, "Reason")),
        _Format.Line(Value(one, "Note"))), used, host));
    /// <summary>How well a replication is, and why.</summary>
    public static _ViewRest Health { get; } = new((one, used, host) => _Format.Words(Sentences(
        _Format.Line(Value(one, "Health")), _Format.Line(Value(one, "Detail")), _Format.Line(Value(one, "Error"))),
        used, host));
    /// <summary>How many findings of which kind a repair has.</summary>
    public static _ViewRest FindingKinds { get; } = new((one, used, host) => _Format.Words(
        string.Join(", ", Items(Value(one, "Findings"))
            .GroupBy(f => _Format.Line(PSObject.AsPSObject(f).Properties["Kind"]?.Value), StringComparer.Ordinal)
            .Select(g => $"{g.Count()} {g.Key}").DefaultIfEmpty("none")),
        used, host));
    /// <summary>How many things a list has.</summary>
    public static _ViewColumn Count { get; } =
        new(list => Items(list).Count().ToString(CultureInfo.InvariantCulture));
    /// <summary>What a diagnostic was collected on.</summary>
    public static _ViewRest Surroundings { get; } = new((one, used, host) => _Format.Words(
        $"{_Format.Line(Value(one, "PowerShell"))}, {_Format.Line(Value(one, "OperatingSystem"))}", used, host));
    /// <summary>How much of what was thawed can be read: <c>3 of 12</c>.</summary>
    public static _ViewObject Readable { get; } = new(one =>
        $"{_Format.Line(Value(one, "ReadableObjects"))} of {_Format.Line(Value(one, "Objects"))}");
    /// <summary>What a check was about and why it ended as it did.</summary>
    public static _ViewRest Finding { get; } = new((one, used, host) => _Format.Words(FindingOf(one), used, host));
    /// <summary>Whose points a plan is about, and by which policy.</summary>
    public static _ViewObject Plan { get; } = new(one => SubjectOf(one) is { Length: > 0 } subject
        ? $"{subject}: {_Format.Line(Value(one, "Policy"))}"
        : _Format.Line(Value(one, "Policy")));
    /// <summary>A policy that is set, or why there is none.</summary>
    public static _ViewRest Policy { get; } = new((one, used, host) => _Format.Words(
        _Format.Line(Value(one, "Damage")) is { Length: > 0 } damage
            ? "cannot be read: " + damage
            : _Format.Line(Value(one, "Policy")) is { Length: > 0 } policy ? policy : "none: everything is kept",
        used, host));
    /// <summary>The day, week or month of a point, with its slot where the rule for it keeps the point.</summary>
    public static _ViewName Slot { get; } = new((one, property, width) => Fold(SlotOf(one, property), width));
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

    private static string SlotOf(PSObject one, string period)
    {
        string day = _Format.Line(Value(one, "Day"));
        if (!DateTime.TryParseExact(day, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None,
            out DateTime date))
            return "";
        (string label, string rule) = period switch
        {
            "Day" => (date.ToString("ddd", CultureInfo.InvariantCulture), "Daily"),
            "Month" => (date.ToString("MMM", CultureInfo.InvariantCulture), "Monthly"),
            // Of 2026-W08 the year stands in the time.
            _ => (_Format.Line(Value(one, "Week")) is { Length: > 5 } week ? week.Substring(5) : "", "Weekly"),
        };
        string slot = _Format.Line(Value(one, "Slot"));
        return slot.Length > 0 && _Format.Line(Value(one, "Rule")) == rule
            ? $"{label} {slot}/{_Format.Line(Value(one, "SlotLimit"))}"
            : label;
    }

    private static string PointOf(PSObject one)
    {
        string locked = _Format.FutureDate(Value(one, "ImmutableUntilUtc"));
        string marks = string.Join(", ", new[]
        {
            _Format.Marks(Value(one, "IsProtected"), Value(one, "OriginalRestorePointId"), Value(one, "IsInFuture"),
                Value(one, "IsRenamed")),
            locked.Length == 0 ? "" : "locked until " + locked,
        }.Where(m => m.Length > 0));
        return SubjectOf(one) + (marks.Length == 0 ? "" : $" ({marks})");
    }

    private static string TestRunOf(PSObject one)
    {
        string restored = _Format.YesNo(Value(one, "IsFromRepository")) == "yes"
            ? "from the repository"
            : _Format.Duration(Value(one, "RestoreDuration")) is { Length: > 0 } restore
                ? $"restored in {restore}"
                : "";
        string run = $"on {_Format.Line(Value(one, "TestBench"))}: " + string.Join(", ", new[]
        {
            restored, $"booted in {_Format.Duration(Value(one, "BootDuration"))}",
            $"checked in {_Format.Duration(Value(one, "ChecksDuration"))}",
        }.Where(t => t.Length > 0));
        return _Format.Line(Value(one, "Reason")) is { Length: > 0 } reason ? $"{reason} ({run})" : run;
    }

    private static string DeedOf(PSObject one)
    {
        string point = _Format.ShortId(Value(one, "RestorePointId"));
        string by = (point.Length == 0 ? "" : $"point {point}, ") + "by " + _Format.Line(Value(one, "Actor"));
        return _Format.Line(Value(one, "Reason")) is { Length: > 0 } reason ? $"{reason} ({by})" : by;
    }

    private static string ReclaimedOf(PSObject one)
    {
        string Counted(string property, string what, string whatMany) =>
            LanguagePrimitives.TryConvertTo(Value(one, property), out int count) && count > 0
                ? Plural.Count(count, what, whatMany)
                : "";

        string did = string.Join(", ", new[]
        {
            Counted("ForgottenPoints", "point gone", "points gone"),
            Counted("WaitingPoints", "point waits", "points wait"),
            Counted("DeletedPacks", "pack deleted", "packs deleted"),
            Counted("RepackedPacks", "pack rewritten", "packs rewritten"),
        }.Where(t => t.Length > 0));
        return Sentences(_Format.YesNo(Value(one, "IsWhatIf")) == "yes" ? "nothing was changed, would be" : "", did,
            _Format.Line(Value(one, "Reason")));
    }

    private static string Sentences(params string[] parts) => string.Join(": ", parts.Where(p => p.Length > 0));

    private static string Minutes(object? time) =>
        _Format.Utc(First(time)) is { Length: > 16 } text ? text.Substring(0, 16) : "";

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
