using System.Globalization;
using System.Text;

namespace Natalia.Backup.Engine;

/// <summary>
/// Text from elsewhere (a VM's name, its notes, a server's log) on its way to a terminal. Characters that would command
/// the terminal or turn the reading direction round are shown as <c>\u001B</c> and the like, so that nobody can fake or
/// hide a line. Data keeps the text as it is; only what is shown goes through here.
/// </summary>
public static class DisplayText
{
    /// <summary>For messages: line breaks and tabs stay.</summary>
    /// <param name="text">The text, or null.</param>
    public static string Clean(string? text) => Clean(text, keepLines: true);

    /// <summary>For one line, as a cell of a table: line breaks and tabs are shown, too.</summary>
    /// <param name="text">The text, or null.</param>
    public static string CleanLine(string? text) => Clean(text, keepLines: false);

    /// <summary>True when a text holds nothing that is shown differently.</summary>
    /// <param name="text">The text.</param>
    public static bool IsPlain(string text)
    {
        foreach (char c in text)
        {
            if (IsHarmful(c)) return false;
        }
        return true;
    }

    private static string Clean(string? text, bool keepLines)
    {
        if (text is null) return "";
        if (IsPlain(text)) return text;
        var clean = new StringBuilder(text.Length + 16);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            bool isBreak = c is '\n' or '\t' || (c == '\r' && i + 1 < text.Length && text[i + 1] == '\n');
            if (!IsHarmful(c) || (keepLines && isBreak)) clean.Append(c);
            else clean.Append("\\u").Append(((int)c).ToString("X4", CultureInfo.InvariantCulture));
        }
        return clean.ToString();
    }

    /// <summary>
    /// Control characters, those that set the direction of writing, and line breaks that are none to a terminal.
    /// </summary>
    private static bool IsHarmful(char c) =>
        char.IsControl(c)
        || c is '\u061C' or '\u200E' or '\u200F' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069')
            or '\u2028' or '\u2029';
}
