using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Architecture;

/// <summary>Lines end at 120 columns, so that two versions can be read side by side.</summary>
public sealed class LineTests
{
    private const int Columns = 120;

    private static readonly string s_root = BuildLayout.RepositoryRoot;

    [Theory]
    [InlineData("src")]
    [InlineData("tests")]
    [InlineData("tools")]
    [InlineData("benchmarks")]
    public void Lines_end_at_120_columns(string folder) => Assert.Empty(
        from file in Directory.EnumerateFiles(Path.Combine(s_root, folder), "*.cs", SearchOption.AllDirectories)
        where !Regex.IsMatch(Path.GetRelativePath(s_root, file), @"[\\/](bin|obj)[\\/]")
        from line in TooLong(File.ReadAllLines(file), folder == "src")
        select $"{Path.GetRelativePath(s_root, file)}:{line}");

    /// <summary>
    /// Examples for users and raw strings are as long as what they hold; scripts and answers that tests carry in other
    /// strings are, too.
    /// </summary>
    private static IEnumerable<int> TooLong(string[] lines, bool isProduct)
    {
        bool isCode = false, isRaw = false;
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            isCode |= line.Contains("<code>", StringComparison.Ordinal);
            bool wasRaw = isRaw;
            int quotes = Regex.Matches(line, "\"\"\"").Count;
            if (quotes % 2 == 1) isRaw = !isRaw;
            bool isText = isCode || wasRaw || quotes > 0
                || Regex.IsMatch(line, isProduct ? "@\"[^\"]{60,}\"" : "\"");
            if (line.Contains("</code>", StringComparison.Ordinal)) isCode = false;
            if (line.Length > Columns && !isText) yield return i + 1;
        }
    }
}
