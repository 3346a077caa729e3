using System.Security;
using System.Text;

namespace Natalia.Backup.Engine.Retention;

/// <summary>Finds time zones by IANA or Windows id on every system: Windows PowerShell knows only the Windows ids, a system without ICU only its own. Thread-safe.</summary>
public static class TimeZones
{
    private static readonly Lazy<Table> s_table = new(Table.Read);

    /// <summary>The IANA and Windows ids that can be translated into each other, sorted; for completion.</summary>
    public static IReadOnlyList<string> KnownIds => s_table.Value.Ids;

    /// <summary>Finds a zone.</summary>
    /// <param name="id">An IANA id (<c>Europe/Paris</c>) or a Windows id (<c>Romance Standard Time</c>), without regard to case.</param>
    /// <exception cref="NataliaException"><c>TimeZoneNotFound</c>.</exception>
    public static TimeZoneInfo Find(string id)
    {
        if (TryFind(id, TryFindSystem) is TimeZoneInfo zone) return zone;
        throw new NataliaException(ErrorIds.TimeZoneNotFound, NataliaErrorKind.NotFound, $"This system knows no time zone '{id}'.", id,
            "Give an IANA id such as 'Europe/Paris' or a Windows id such as 'Romance Standard Time'. On a small Linux system the package 'tzdata' may be missing.");
    }

    /// <summary>Whether two ids mean the same clock: <c>UTC</c> and <c>Etc/UTC</c> do. An id that this system does not know is only the same as itself.</summary>
    /// <param name="id">An id.</param>
    /// <param name="other">Another one.</param>
    public static bool AreSame(string id, string other) =>
        string.Equals(id.Trim(), other.Trim(), StringComparison.OrdinalIgnoreCase)
        || TryFind(id, TryFindSystem) is TimeZoneInfo one && TryFind(other, TryFindSystem) is TimeZoneInfo two && one.BaseUtcOffset == two.BaseUtcOffset && one.HasSameRules(two);

    /// <summary>The search, with the system's own knowledge given from outside.</summary>
    internal static TimeZoneInfo? TryFind(string id, Func<string, TimeZoneInfo?> system)
    {
        id = id.Trim();
        if (id.Equals("UTC", StringComparison.OrdinalIgnoreCase)) return TimeZoneInfo.Utc;
        if (!IsPlausible(id)) return null;
        if (system(id) is TimeZoneInfo zone) return zone;
        // The table answers in the right case, and with the ids of the other kind, the one that was asked for first.
        return s_table.Value.Equivalents(id).Select(system).FirstOrDefault(z => z is not null);
    }

    // On Unix an id becomes part of a path.
    private static bool IsPlausible(string id) =>
        id.Length is > 0 and <= 100 && id[0] is not ('/' or '.') && !id.Contains("..")
        && id.All(c => c is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9' or '/' or '_' or '+' or '-' or '.' or ' ' or '(' or ')');

    private static TimeZoneInfo? TryFindSystem(string id)
    {
        try
        {
            return TimeZoneInfo.FindSystemTimeZoneById(id);
        }
        // Unknown, unreadable or not a zone (a folder's name): the table or the caller decides what that means.
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException or SecurityException)
        {
            return null;
        }
    }

    private sealed class Table
    {
        private readonly Dictionary<string, string[]> _byId = new(StringComparer.OrdinalIgnoreCase);

        internal IReadOnlyList<string> Ids { get; private set; } = [];

        /// <summary>The id itself in its right case, then what stands for the same zone: the Windows id, its default IANA id.</summary>
        internal IEnumerable<string> Equivalents(string id)
        {
            if (!_byId.TryGetValue(id, out string[]? line)) yield break;
            string exact = Array.Find(line, i => i.Equals(id, StringComparison.OrdinalIgnoreCase))!;
            yield return exact;
            foreach (string other in line.Take(2)) yield return other;
        }

        internal static Table Read()
        {
            var table = new Table();
            using Stream stream = typeof(TimeZones).Assembly.GetManifestResourceStream("Natalia.Backup.Engine.WindowsZones.txt")
                ?? throw new InvalidOperationException("The list of Windows time zones is missing from the assembly.");
            using var reader = new StreamReader(stream, Encoding.UTF8);
            while (reader.ReadLine() is string text)
            {
                if (text.Length == 0 || text[0] == '#') continue;
                int bar = text.IndexOf('|');
                string[] line = [text.Substring(0, bar), .. text.Substring(bar + 1).Split(' ')];
                foreach (string id in line) table._byId[id] = line;
            }
            table.Ids = table._byId.Keys.OrderBy(i => i, StringComparer.OrdinalIgnoreCase).ToArray();
            return table;
        }
    }
}
