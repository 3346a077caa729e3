using System.Text.RegularExpressions;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Reports.Csv;

/// <summary>
/// A value of a CSV file (RFC 4180). Text from elsewhere cannot become a formula where a spreadsheet opens the file,
/// nor a second row.
/// </summary>
internal static class CsvText
{
    /// <summary>
    /// A spreadsheet of a country whose lists have semicolons takes what follows one for a cell, in quotes or not.
    /// </summary>
    private static readonly Regex s_cell = new("(;[ \u00A0\"]*)(?=[-=+@\uFF1D\uFF0B\uFF0D\uFF20])",
        RegexOptions.CultureInvariant);

    /// <summary>The value in quotes; one that a spreadsheet would compute gets an apostrophe in front.</summary>
    internal static string Encode(string? text)
    {
        if (string.IsNullOrEmpty(text)) return "";
        string clean = DisplayText.CleanLine(text);
        bool isFormula = clean.TrimStart(' ', '\u00A0').Length > 0
            && clean.TrimStart(' ', '\u00A0')[0] is '=' or '+' or '-' or '@' or '\uFF1D' or '\uFF0B' or '\uFF0D'
                or '\uFF20';
        clean = s_cell.Replace(clean, "$1'");
        return "\"" + (isFormula ? "'" : "") + clean.Replace("\"", "\"\"") + "\"";
    }
}
