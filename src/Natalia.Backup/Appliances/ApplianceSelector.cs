using System.Management.Automation;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Appliances;

/// <summary>One <c>-Appliance</c>: an id, a name or a wildcard.</summary>
internal sealed class ApplianceSelector
{
    private readonly WildcardPattern _pattern;

    internal ApplianceSelector(string text)
    {
        Text = text;
        IsId = ApplianceIdentity.IsValid(text);
        HasWildcards = WildcardPattern.ContainsWildcardCharacters(text);
        _pattern = WildcardPattern.Get(text, WildcardOptions.IgnoreCase | WildcardOptions.CultureInvariant);
    }

    /// <summary>As the user gave it.</summary>
    internal string Text { get; }

    internal bool IsId { get; }

    /// <summary>True when matching nothing is an answer; a plain name or id that matches nothing is an error.</summary>
    internal bool HasWildcards { get; }

    internal bool Matches(string applianceId, string name) =>
        (IsId && applianceId == Text) || string.Equals(name, Text, StringComparison.OrdinalIgnoreCase) || _pattern.IsMatch(name);

    internal static IReadOnlyList<ApplianceSelector> FromAll(IEnumerable<string>? texts) =>
        [.. (texts ?? []).Where(t => !string.IsNullOrEmpty(t)).Select(t => new ApplianceSelector(t))];
}
