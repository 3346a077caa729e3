using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// Reads restore points from anything that a pipeline brings: live ones, those of a job, rows of a table.
/// </summary>
internal static class RetentionInput
{
    /// <summary>True when the object has a time, so that it can be planned.</summary>
    internal static bool IsPoint(PSObject value) =>
        value.BaseObject is RestorePoint || value.Properties[nameof(RetentionPoint.TimeUtc)] is not null;

    /// <summary>False for a restore point whose manifest is damaged: stored policies do not count it either.</summary>
    /// <exception cref="NataliaException"><c>RetentionInputInvalid</c>.</exception>
    internal static bool IsReadable(PSObject value) => Flag(value, nameof(RestorePoint.IsReadable), absent: true);

    /// <summary>The object as a plan sees it.</summary>
    /// <exception cref="NataliaException"><c>RetentionInputInvalid</c>.</exception>
    internal static RetentionPoint Read(PSObject value)
    {
        if (value.BaseObject is RestorePoint point) return RetentionPoint.From(point);
        return new RetentionPoint
        {
            TimeUtc = Time(value, nameof(RetentionPoint.TimeUtc))
                ?? throw Invalid(value, nameof(RetentionPoint.TimeUtc)),
            RestorePointId = Text(value, nameof(RetentionPoint.RestorePointId)),
            ApplianceId = Text(value, nameof(RetentionPoint.ApplianceId)),
            ApplianceName = Text(value, nameof(RetentionPoint.ApplianceName)),
            RepositoryId = Text(value, nameof(RetentionPoint.RepositoryId)),
            Repository = Text(value, nameof(RetentionPoint.Repository)),
            Sequence = Get(value, nameof(RetentionPoint.Sequence)) is object sequence
                ? Convert<long>(sequence, value, nameof(RetentionPoint.Sequence))
                : null,
            IsProtected = Flag(value, nameof(RetentionPoint.IsProtected), absent: false),
            LockedUntilUtc = Time(value, nameof(RestorePoint.ImmutableUntilUtc))
                ?? Time(value, nameof(RetentionPoint.LockedUntilUtc)) ?? Time(value, "LockedUntil"),
            IsGood = Flag(value, nameof(RetentionPoint.IsGood), absent: true),
            IsFinished = Flag(value, nameof(RetentionPoint.IsFinished), absent: true),
            IsInFuture = Flag(value, nameof(RetentionPoint.IsInFuture), absent: false),
            IsRenamed = Flag(value, nameof(RetentionPoint.IsRenamed), absent: false),
            IsInUse = Flag(value, nameof(RetentionPoint.IsInUse), absent: false),
        };
    }

    private static object? Get(PSObject value, string property) => value.Properties[property]?.Value switch
    {
        PSObject { BaseObject: var inner } => inner,
        var plain => plain,
    };

    private static string? Text(PSObject value, string property) =>
        Get(value, property)?.ToString() is { Length: > 0 } text ? text : null;

    /// <summary>
    /// A time that says nothing of its zone is UTC, as the property's name promises. Text begins with the year: of
    /// anything else nobody knows which culture wrote it, and day and month would change places.
    /// </summary>
    private static DateTime? Time(PSObject value, string property)
    {
        switch (Get(value, property))
        {
            case null or "": return null;
            case DateTime { Kind: DateTimeKind.Unspecified } time: return DateTime.SpecifyKind(time, DateTimeKind.Utc);
            case DateTime time: return time.ToUniversalTime();
            case DateTimeOffset time: return time.UtcDateTime;
            case string text
                when IsYearFirst(text) && DateTime.TryParse(text, CultureInfo.InvariantCulture,
                    DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTime time):
                return time;
            default: throw Invalid(value, property);
        }
    }

    private static bool IsYearFirst(string text) => text.Length >= 10 && text[4] == '-' && text[7] == '-'
        && text.Take(10).Where((_, i) => i is not (4 or 7)).All(c => c is >= '0' and <= '9');

    /// <summary>
    /// The texts <c>False</c> and <c>0</c> mean false, which PowerShell's own conversion of text does not.
    /// </summary>
    private static bool Flag(PSObject value, string property, bool absent) => Get(value, property) switch
    {
        null or "" => absent,
        bool flag => flag,
        string text when bool.TryParse(text, out bool flag) => flag,
        "0" => false,
        "1" => true,
        string => throw Invalid(value, property),
        var other => Convert<bool>(other, value, property),
    };

    private static T Convert<T>(object found, PSObject value, string property) where T : struct =>
        LanguagePrimitives.TryConvertTo(found, CultureInfo.InvariantCulture, out T result)
            ? result
            : throw Invalid(value, property);

    private static NataliaException Invalid(PSObject value, string property)
    {
        object? found = Get(value, property);
        return new NataliaException(ErrorIds.RetentionInputInvalid, NataliaErrorKind.InvalidArgument,
            found is null
                ? $"The object '{value}' has no {property}."
                : $"The object '{value}' has '{found}' as {property}, which cannot be that.",
            value.ToString(),
            "Pipe restore points, or objects with a property TimeUtc (a date in UTC, as text yyyy-MM-dd HH:mm:ss) and, "
            + "where wanted, IsProtected and ImmutableUntilUtc. For a file, write times with ToString('o') as "
            + "about_Natalia.Backup shows (Output), or take ConvertTo-Json.");
    }
}
