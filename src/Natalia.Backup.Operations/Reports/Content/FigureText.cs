using System.Globalization;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>Times in a report: the same in every culture.</summary>
internal static class FigureText
{
    /// <summary><c>2026-03-04 18:00 UTC</c>.</summary>
    internal static string Time(DateTime utc) => TimeText.Utc(utc.ToUniversalTime());

    /// <summary><c>2026-03-04</c>.</summary>
    internal static string Day(DateTime utc) =>
        utc.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>To the second, as machines read it.</summary>
    internal static string Iso(DateTime utc) =>
        utc.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
