using System.Management.Automation;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Arguments;

/// <summary>Names and wildcards as a user gives them, with PowerShell's own rules of what fits.</summary>
internal static class Wildcards
{
    /// <summary>A name or a wildcard.</summary>
    internal static NamePattern Parse(string text) => new(text, Compile(text));

    /// <summary>Names or wildcards; null stays null.</summary>
    internal static IReadOnlyList<NamePattern>? ParseAll(IEnumerable<string>? texts) =>
        texts is null ? null : [.. texts.Select(Parse)];

    /// <summary>Appliances by their ids, names or wildcards; what is empty is left out.</summary>
    internal static IReadOnlyList<ApplianceSelector> Selectors(IEnumerable<string>? texts) =>
        [.. (texts ?? []).Where(t => !string.IsNullOrEmpty(t)).Select(t => new ApplianceSelector(Parse(t)))];

    private static Func<string, bool>? Compile(string text)
    {
        try
        {
            var pattern = WildcardPattern.Get(text, WildcardOptions.IgnoreCase | WildcardOptions.CultureInvariant);
            // What it cannot be shows only when it is used.
            pattern.IsMatch("a");
            return pattern.IsMatch;
        }
        catch (Exception e) when (e is WildcardPatternException or ArgumentException)
        {
            return null;
        }
    }
}
