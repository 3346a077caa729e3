namespace Natalia.Backup.Operations.Text;

/// <summary>
/// How many columns of a console a text takes: letters of Chinese, Japanese and Korean take two. Counts as
/// PowerShell's own tables do.
/// </summary>
internal static class DisplayCells
{
    /// <summary>The columns of one character; each half of a surrogate pair has one.</summary>
    internal static int Of(char c) => IsWide(c) ? 2 : 1;

    /// <summary>The columns of a text without control characters.</summary>
    internal static int Of(string text)
    {
        int cells = 0;
        foreach (char c in text) cells += Of(c);
        return cells;
    }

    /// <summary>True for a letter of two columns; such a text may be broken anywhere.</summary>
    internal static bool IsWide(char c) =>
        c >= 0x1100
        && (c <= 0x115f
            || c is '\u2329' or '\u232a'
            || c is >= '\u2e80' and <= '\ua4cf' and not '\u303f'
            || c is >= '\uac00' and <= '\ud7a3'
            || c is >= '\uf900' and <= '\ufaff'
            || c is >= '\ufe10' and <= '\ufe19'
            || c is >= '\ufe30' and <= '\ufe6f'
            || c is >= '\uff00' and <= '\uff60'
            || c is >= '\uffe0' and <= '\uffe6');
}
