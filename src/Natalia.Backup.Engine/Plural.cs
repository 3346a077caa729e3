using System.Globalization;

namespace Natalia.Backup.Engine;

/// <summary>Words that follow a number.</summary>
public static class Plural
{
    /// <summary>A number and what is counted: <c>1 point</c>, <c>2 points</c>.</summary>
    /// <param name="count">How many.</param>
    /// <param name="one">The word for one of them.</param>
    /// <param name="many">The word for several, where that is not the same with an <c>s</c>; or null.</param>
    public static string Count(long count, string one, string? many = null) =>
        count.ToString(CultureInfo.InvariantCulture) + " " + Of(count, one, many ?? one + "s");

    /// <summary>The word that fits a number: <c>is</c> or <c>are</c>.</summary>
    /// <param name="count">How many.</param>
    /// <param name="one">The word for one.</param>
    /// <param name="many">The word for several, and for none.</param>
    public static string Of(long count, string one, string many) => count == 1 ? one : many;
}
