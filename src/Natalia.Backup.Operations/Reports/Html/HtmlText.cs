using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>Text from elsewhere on its way into a page: into text, an attribute in quotes, or SVG.</summary>
internal static class HtmlText
{
    /// <summary>
    /// Nothing in it can end what it stands in, and what would turn the direction of writing or cannot be seen is
    /// shown as <c>\u202E</c> and the like.
    /// </summary>
    internal static string Encode(string? text)
    {
        string clean = DisplayText.CleanLine(text);
        StringBuilder? encoded = null;
        for (int i = 0; i < clean.Length; i++)
        {
            string? instead = clean[i] switch
            {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                // Half a character is none, and no page may hold one.
                char c when char.IsSurrogate(c) && !IsPaired(clean, i) => "\uFFFD",
                '\uFFFE' or '\uFFFF' => "\uFFFD",
                _ => null,
            };
            if (instead is not null) encoded ??= new StringBuilder(clean.Length + 16).Append(clean, 0, i);
            if (encoded is null) continue;
            if (instead is null) encoded.Append(clean[i]);
            else encoded.Append(instead);
        }
        return encoded?.ToString() ?? clean;
    }

    private static bool IsPaired(string text, int i) =>
        char.IsHighSurrogate(text[i])
            ? i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])
            : i > 0 && char.IsHighSurrogate(text[i - 1]);
}
