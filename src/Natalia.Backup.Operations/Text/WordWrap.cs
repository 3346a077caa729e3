using System.Text;

namespace Natalia.Backup.Operations.Text;

/// <summary>Breaks a text into lines between its words.</summary>
internal static class WordWrap
{
    private static readonly char[] s_seams = ['/', '\\', '-', ',', ';', '_'];

    /// <summary>
    /// The text in lines of at most so many columns. A longer word, such as a path, is broken behind a separator in
    /// it where there is one, else where the line ends; wide letters, between which no blanks stand, anywhere.
    /// </summary>
    /// <param name="text">One line.</param>
    /// <param name="width">How many columns a line has, 1 or more. A wide letter takes two in any case.</param>
    internal static string Break(string text, int width)
    {
        // What has half as many characters as there are columns fits whatever they are.
        if (text.Length <= width / 2) return text;
        var lines = new StringBuilder();
        int at = 0;
        int full = FullLine(text, at, width);
        while (full < text.Length)
        {
            int end = EndOfLine(text, at, full);
            lines.Append(text.Substring(at, end - at).TrimEnd(' ')).Append(Environment.NewLine);
            at = end;
            while (at < text.Length && text[at] == ' ') at++;
            full = FullLine(text, at, width);
        }
        return lines.Append(text, at, text.Length - at).ToString();
    }

    /// <summary>Where a line ends that takes as much as it has room for, and one character at least.</summary>
    private static int FullLine(string text, int at, int width)
    {
        int end = at, cells = 0;
        while (end < text.Length)
        {
            cells += DisplayCells.Of(text[end]);
            if (cells > width && end > at) break;
            end++;
        }
        return end;
    }

    private static int EndOfLine(string text, int at, int full)
    {
        if (DisplayCells.IsWide(text[full]) || DisplayCells.IsWide(text[full - 1])) return full;
        int blank = text.LastIndexOf(' ', full, full - at + 1);
        return blank > at ? blank : LongWord(text, at, full);
    }

    private static int LongWord(string text, int at, int full)
    {
        int seam = text.LastIndexOfAny(s_seams, full - 1, full - at);
        int end = seam > at ? seam + 1 : full;
        // The two halves of one character stay together.
        return end < text.Length && end - at > 1 && char.IsLowSurrogate(text[end]) ? end - 1 : end;
    }
}
