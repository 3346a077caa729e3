using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Reports.Csv;

/// <summary>
/// A value of a CSV file (RFC 4180). Text from elsewhere cannot become a formula where a spreadsheet opens the file,
/// nor a second row.
/// </summary>
internal static class CsvText
{
    /// <summary>The value in quotes; one that a spreadsheet would compute gets an apostrophe in front.</summary>
    internal static string Encode(string? text)
    {
        if (string.IsNullOrEmpty(text)) return "";
        string clean = DisplayText.CleanLine(text);
        bool isFormula = clean.TrimStart(' ', '\u00A0').Length > 0
            && clean.TrimStart(' ', '\u00A0')[0] is '=' or '+' or '-' or '@' or '\uFF1D' or '\uFF0B' or '\uFF0D'
                or '\uFF20';
        return "\"" + (isFormula ? "'" : "") + clean.Replace("\"", "\"\"") + "\"";
    }
}
