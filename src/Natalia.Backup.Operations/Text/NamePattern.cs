using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Text;

/// <summary>
/// A name or a wildcard as a user gives it. A name that exists word for word is that name and no pattern:
/// <c>web[01]</c> is a VM of that name before it is a pattern for <c>web0</c> and <c>web1</c>.
/// </summary>
internal sealed class NamePattern
{
    private readonly Func<string, bool>? _fits;

    /// <param name="text">As the user gave it.</param>
    /// <param name="fits">What fits it as a wildcard; null when it is none that can be: a bracket is not closed, or a
    /// range runs backwards.</param>
    internal NamePattern(string text, Func<string, bool>? fits)
    {
        Text = text;
        HasWildcards = CanBeWildcard(text);
        MayBeNone = Has(text, "*?");
        _fits = fits;
    }

    /// <summary>As the user gave it.</summary>
    internal string Text { get; }

    /// <summary>True when it may mean several things.</summary>
    internal bool HasWildcards { get; }

    /// <summary>True when a list without any is an answer. Brackets alone stand in names too often for that.</summary>
    internal bool MayBeNone { get; }

    /// <summary>True when it is no pattern that can be: it can only be a name.</summary>
    internal bool IsNameOnly => _fits is null;

    /// <summary>True for the name itself.</summary>
    internal bool Is(string name) => string.Equals(name, Text, StringComparison.OrdinalIgnoreCase);

    /// <summary>True for every name that it may mean, as long as nothing of exactly this name is known.</summary>
    internal bool MayMean(string name) => Is(name) || _fits?.Invoke(name) == true;

    /// <summary>What to say when it means nothing; null when nothing has to be said.</summary>
    /// <param name="notFound">Makes the error for a name that is not there.</param>
    internal NataliaException? Miss(Func<NataliaException> notFound) =>
        IsNameOnly ? Invalid() : MayBeNone ? null : notFound();

    /// <summary>
    /// What to say when it means nothing and nothing would be done: a typing error in a pattern must not pass for
    /// success.
    /// </summary>
    /// <param name="notFound">Makes the error for a name that is not there.</param>
    internal NataliaException MissForChange(Func<NataliaException> notFound) => IsNameOnly ? Invalid() : notFound();

    private NataliaException Invalid() => new(ErrorIds.NamePatternInvalid, NataliaErrorKind.InvalidArgument,
        $"'{Text}' is not a name that is known here, and cannot be a wildcard either: a bracket is not closed, or the "
        + "range in it runs backwards.",
        Text,
        "Write the name word for word; in a wildcard, write a bracket that means itself as `[ in single quotes.");

    /// <summary>
    /// True for a text with a character that means more than itself in a wildcard; one behind a backtick means itself.
    /// </summary>
    internal static bool CanBeWildcard(string text) => Has(text, "*?[]");

    private static bool Has(string text, string characters)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '`') i++;
            else if (characters.IndexOf(text[i]) >= 0) return true;
        }
        return false;
    }
}
