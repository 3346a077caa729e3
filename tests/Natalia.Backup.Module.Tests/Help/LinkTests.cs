using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Help;

/// <summary>Links of documents lead to files and headings that are there.</summary>
public sealed partial class LinkTests
{
    [Fact]
    public void Links_of_documents_lead_somewhere()
    {
        List<string> wrong = [];
        foreach (string file in Documents())
        {
            foreach (Match link in Link().Matches(File.ReadAllText(file)))
            {
                (string path, string heading) = (link.Groups[1].Value, link.Groups[2].Value);
                if (path.Contains(':', StringComparison.Ordinal)) continue;
                string target = path.Length == 0 ? file : Path.GetFullPath(path, Path.GetDirectoryName(file)!);
                bool isThere = File.Exists(target) || Directory.Exists(target);
                if (isThere && heading.Length > 0) isThere = Headings(target).Contains(heading);
                if (!isThere) wrong.Add($"{Path.GetFileName(file)}: {link.Value}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void The_map_names_every_document()
    {
        string map = File.ReadAllText(Path.Combine(BuildLayout.RepositoryRoot, "docs", "README.md"));

        Assert.Empty(from file in Directory.EnumerateFiles(Path.Combine(BuildLayout.RepositoryRoot, "docs"), "*.md")
                     let name = Path.GetFileName(file)
                     where name != "README.md" && !map.Contains($"]({name})", StringComparison.Ordinal)
                     select name);
    }

    private static IEnumerable<string> Documents() =>
    [
        Path.Combine(BuildLayout.RepositoryRoot, "README.md"),
        Path.Combine(BuildLayout.RepositoryRoot, "CONTRIBUTING.md"),
        Path.Combine(BuildLayout.RepositoryRoot, "benchmarks", "README.md"),
        .. Directory.EnumerateFiles(Path.Combine(BuildLayout.RepositoryRoot, "docs"), "*.md"),
    ];

    /// <summary>The names of headings, as they are made of their words where documents are shown.</summary>
    private static HashSet<string> Headings(string file) =>
        [.. Heading().Matches(File.ReadAllText(file)).Select(h => NoLetter()
            .Replace(h.Groups[1].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-'))];

    [GeneratedRegex(@"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (.*)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NoLetter();
}
