using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Help;

/// <summary>What <c>about_NataliaErrors</c> says of each error: why it came, and what to do.</summary>
public sealed partial class ErrorTopicTests
{
    private static readonly string[] s_lines = File.ReadAllLines(
        Path.Combine(BuildLayout.RepositoryRoot, "en-US", "about_NataliaErrors.help.txt"));

    /// <summary>Which ids there are is held by <see cref="HelpTests"/>.</summary>
    [Fact]
    public void Every_error_id_has_a_cause_and_a_cure()
    {
        Assert.True(Blocks().Count() > 200, "Ids are missing.");
        Assert.DoesNotContain(Blocks(), b => !Entry().IsMatch(b));
    }

    [Fact]
    public void A_cause_and_a_cure_are_short() =>
        Assert.Empty(from block in Blocks()
                     where block.Split('\n').Length > 8
                     select block);

    /// <summary>The blocks behind the first heading of errors, up to what to see also.</summary>
    private static IEnumerable<string> Blocks()
    {
        IEnumerable<string> entries = s_lines.SkipWhile(l => l != "REPOSITORIES").TakeWhile(l => l != "SEE ALSO")
            .Where(l => l.Length == 0 || l[0] == ' ');
        return string.Join('\n', entries).Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(b => b.Trim('\n')).Where(b => b.Length > 0);
    }

    [GeneratedRegex(
        @"^    (?<id>[A-Z][A-Za-z]+)\n        Cause: \S.*\n(?: {15}\S.*\n)*        Cure:  \S.*(?:\n {15}\S.*)*$")]
    private static partial Regex Entry();
}
