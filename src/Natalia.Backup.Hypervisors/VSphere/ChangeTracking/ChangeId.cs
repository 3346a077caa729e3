using System.Globalization;

namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>
/// A server's name of a state that changes are counted from: the family, which is another one after every reset of the
/// tracking, and a number that grows (<c>52 2d 7b … 50 bb 7b/4</c>). The form was seen and is nowhere promised; what
/// does not have it has no family, and is only ever handed back.
/// </summary>
/// <param name="Family">What stands before the last slash; null where there is none.</param>
/// <param name="Number">What stands behind it; null where that is no number.</param>
internal sealed record ChangeId(string? Family, long? Number)
{
    internal static ChangeId Parse(string text)
    {
        int slash = text.LastIndexOf('/');
        if (slash <= 0) return new ChangeId(null, null);
        bool isNumber = long.TryParse(text.Substring(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture,
            out long number);
        return new ChangeId(text.Substring(0, slash), isNumber ? number : null);
    }

    /// <summary>Why changes cannot be counted from an earlier state; null when nothing of the two speaks against it.
    /// </summary>
    /// <param name="since">The earlier state.</param>
    /// <param name="now">This state, of the same disk.</param>
    internal static string? WhyNotFrom(string since, string now)
    {
        (ChangeId before, ChangeId after) = (Parse(since), Parse(now));
        if (before.Family is null || after.Family is null) return null;
        if (before.Family != after.Family) return "the server has begun its change tracking anew since its last point";
        // A snapshot raises the number. One that is not higher is that of a state before our last point.
        return before.Number is long a && after.Number is long b && b <= a
            ? "the VM was set back to a state before its last point"
            : null;
    }
}
