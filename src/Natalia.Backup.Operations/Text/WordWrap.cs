using System.Text;

namespace Natalia.Backup.Operations.Text;

/// <summary>Breaks a text into lines between its words.</summary>
internal static class WordWrap
{
    private static readonly char[] s_seams = ['/', '\\', '-', ',', ';', '_'];

    /// <summary>
    /// The text in lines of at most so many characters. A longer word, such as a path, is broken behind a separator in
    /// it where there is one, else where the line ends.
    /// </summary>
    /// <param name="text">One line.</param>
    /// <param name="width">How many characters a line has, 1 or more.</param>
    internal static string Break(string text, int width)
    {
        if (text.Length <= width) return text;
        var lines = new StringBuilder();
        int at = 0;
        while (text.Length - at > width)
        {
            int end = text.LastIndexOf(' ', at + width, width + 1);
            if (end <= at) end = LongWord(text, at, width);
            lines.Append(text.Substring(at, end - at).TrimEnd(' ')).Append(Environment.NewLine);
            at = end;
            while (at < text.Length && text[at] == ' ') at++;
        }
        return lines.Append(text, at, text.Length - at).ToString();
    }

    private static int LongWord(string text, int at, int width)
    {
        int seam = text.LastIndexOfAny(s_seams, at + width - 1, width);
        int end = seam > at ? seam + 1 : at + width;
        // The two halves of one character stay together.
        return end < text.Length && end - at > 1 && char.IsLowSurrogate(text[end]) ? end - 1 : end;
    }
}
