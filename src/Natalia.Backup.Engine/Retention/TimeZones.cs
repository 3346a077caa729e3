using System.Security;
using TimeZoneConverter;

namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// Finds time zones by IANA or Windows id on every system: Windows PowerShell knows only the Windows ids, a system
/// without ICU only its own. Thread-safe.
/// </summary>
public static class TimeZones
{
    private static readonly Lazy<Dictionary<string, string>> s_exact = new(() =>
    {
        var exact = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string id in TZConvert.KnownIanaTimeZoneNames.Concat(TZConvert.KnownWindowsTimeZoneIds))
            exact[id] = id;
        return exact;
    });

    private static readonly Lazy<IReadOnlyList<string>> s_known =
        new(() => [.. s_exact.Value.Keys.OrderBy(i => i, StringComparer.OrdinalIgnoreCase)]);

    /// <summary>Every IANA and Windows id that the list knows, older names included, sorted; for completion.</summary>
    public static IReadOnlyList<string> KnownIds => s_known.Value;

    /// <summary>Finds a zone.</summary>
    /// <param name="id">An IANA id (<c>Europe/Paris</c>) or a Windows id (<c>Romance Standard Time</c>), without regard
    /// to case.</param>
    /// <exception cref="NataliaException"><c>TimeZoneNotFound</c>.</exception>
    public static TimeZoneInfo Find(string id)
    {
        if (TryFind(id, TryFindSystem) is TimeZoneInfo zone) return zone;
        throw new NataliaException(ErrorIds.TimeZoneNotFound, NataliaErrorKind.NotFound,
            $"This system knows no time zone '{id}'.", id,
            "Give an IANA id such as 'Europe/Paris' or a Windows id such as 'Romance Standard Time'. On a small Linux "
            + "system the package 'tzdata' may be missing.");
    }

    /// <summary>
    /// Whether two ids mean the same clock: <c>UTC</c> and <c>Etc/UTC</c> do. An id that this system does not know is
    /// only the same as itself.
    /// </summary>
    /// <param name="id">An id.</param>
    /// <param name="other">Another one.</param>
    public static bool AreSame(string id, string other) =>
        string.Equals(id.Trim(), other.Trim(), StringComparison.OrdinalIgnoreCase)
        || TryFind(id, TryFindSystem) is TimeZoneInfo one && TryFind(other, TryFindSystem) is TimeZoneInfo two
            && one.BaseUtcOffset == two.BaseUtcOffset && one.HasSameRules(two);

    /// <summary>The search, with the system's own knowledge given from outside.</summary>
    internal static TimeZoneInfo? TryFind(string id, Func<string, TimeZoneInfo?> system)
    {
        id = id.Trim();
        if (id.Equals("UTC", StringComparison.OrdinalIgnoreCase)) return TimeZoneInfo.Utc;
        if (!IsPlausible(id)) return null;
        if (system(id) is TimeZoneInfo zone) return zone;
        // The list answers in the right case, and with the ids of the other kind, the one that was asked for first.
        return Equivalents(id).Select(system).FirstOrDefault(z => z is not null);
    }

    // On Unix an id becomes part of a path.
    private static bool IsPlausible(string id) =>
        id.Length is > 0 and <= 100 && id[0] is not ('/' or '.') && !id.Contains("..")
        && id.All(
            c => c is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9' or '/' or '_' or '+' or '-' or '.'
                or ' ' or '(' or ')');

    private static TimeZoneInfo? TryFindSystem(string id)
    {
        try
        {
            return TimeZoneInfo.FindSystemTimeZoneById(id);
        }
        // Unknown, unreadable or not a zone (a folder's name): the list or the caller decides what that means.
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException or SecurityException)
        {
            return null;
        }
    }

    /// <summary>
    /// The id itself in its right case, then what stands for the same zone: the Windows id, its IANA ids.
    /// </summary>
    private static IEnumerable<string> Equivalents(string id)
    {
        if (!s_exact.Value.TryGetValue(id, out string? exact)) yield break;
        yield return exact;
        string? windows = TZConvert.TryIanaToWindows(exact, out string? found) ? found : exact;
        yield return windows;
        // The name that the list has always had, which every system knows, and the one that the zone has today.
        if (TZConvert.TryWindowsToIana(windows, out string? original, LinkResolution.Original)) yield return original;
        if (TZConvert.TryWindowsToIana(windows, out string? current, LinkResolution.Canonical)) yield return current;
    }
}
