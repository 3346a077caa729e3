using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Natalia.Backup.Operations.Exports;

/// <summary>
/// The name of an exported file, made of names that people and repositories give. Characters are cleaned the same on
/// every system, so that a folder of exports can be moved between them. A name that says less than what it was made of
/// bears the beginning of an id as well: two names must never become one file.
/// </summary>
internal static class ExportName
{
    /// <summary>
    /// What a name may have: bytes of UTF-8 on Linux (NAME_MAX), units of UTF-16 on Windows and macOS.
    /// </summary>
    private const int MostUnits = 255;

    /// <summary>As many digits of an id as lists show.</summary>
    private const int IdDigits = 8;

    private static readonly bool s_countsBytes = RuntimeInformation.IsOSPlatform(OSPlatform.Linux);

    /// <summary>
    /// Names of devices in every folder of Windows, with any extension; those with other characters (CONIN$, COM with a
    /// raised digit) are gone once they are clean.
    /// </summary>
    private static readonly HashSet<string> s_devices = new(
        ["CON", "PRN", "AUX", "NUL", .. "0123456789".SelectMany(d => new[] { "COM" + d, "LPT" + d })],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>Makes a name.</summary>
    /// <param name="parts">What makes it: the appliance, then what tells its files apart.</param>
    /// <param name="extension">Its extension, with the dot.</param>
    /// <param name="id">What tells it from every other one: hexadecimal digits.</param>
    /// <param name="withId">True puts the id into it although the parts alone would do.</param>
    internal static string Create(IReadOnlyList<string> parts, string extension, string id, bool withId = false)
    {
        string[] clean = [.. parts.Select(Clean)];
        string name = string.Join("-", clean);
        if (name.EndsWith(extension, StringComparison.OrdinalIgnoreCase))
            name = name.Substring(0, name.Length - extension.Length);
        string end = extension;
        if (withId || !clean.SequenceEqual(parts) || Units(name) + Units(end) > MostUnits)
            end = "-" + (id.Length > IdDigits ? id.Substring(0, IdDigits) : id) + extension;
        if (Units(name) + Units(end) <= MostUnits) return name + end;
        // The first part is the one that people give; what tells an appliance's files apart is kept as long as there is
        // room for it.
        string rest = Cut(name.Substring(clean[0].Length), MostUnits / 2);
        return Cut(clean[0], MostUnits - Units(rest) - Units(end)) + rest + end;
    }

    /// <summary>How the names of all of an appliance's files begin, if they are not cut.</summary>
    internal static string Beginning(string applianceName) => Clean(applianceName) + "-";

    /// <summary>
    /// A text as a part of a file's name. It comes from a repository that somebody else may have written: no separator,
    /// no stream of Windows and no character that commands a terminal gets through, no name is hidden, and none is a
    /// device's.
    /// </summary>
    internal static string Clean(string part)
    {
        var clean = new StringBuilder(part.Length);
        for (int i = 0; i < part.Length; i++)
        {
            bool isPair = char.IsSurrogatePair(part, i);
            if (!IsKept(part, i)) clean.Append('_');
            else clean.Append(part, i, isPair ? 2 : 1);
            if (isPair) i++;
        }
        string text = clean.ToString().Trim('.');
        if (text.Length == 0) return "_";
        int stem = text.IndexOf('.') is var dot and >= 0 ? dot : text.Length;
        return s_devices.Contains(text.Substring(0, stem)) ? text.Insert(stem, "_") : text;
    }

    private static bool IsKept(string text, int index) =>
        text[index] is '-' or '_' or '.' || CharUnicodeInfo.GetUnicodeCategory(text, index) is
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    /// <summary>The beginning of a text that has room, without half a character.</summary>
    private static string Cut(string text, int units)
    {
        if (Units(text) <= units) return text;
        int used = 0, at = 0;
        TextElementEnumerator elements = StringInfo.GetTextElementEnumerator(text);
        while (elements.MoveNext())
        {
            used += Units(elements.GetTextElement());
            if (used > units) break;
            at = elements.ElementIndex + elements.GetTextElement().Length;
        }
        return text.Substring(0, at);
    }

    private static int Units(string text) => s_countsBytes ? Encoding.UTF8.GetByteCount(text) : text.Length;
}
