using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Help;

/// <summary>
/// Somebody with nothing but the installed module finds what its help, its errors and its documents point to. What only
/// the source tree has is called so in the same line.
/// </summary>
public sealed partial class PackagePathTests
{
    private const string Elsewhere = "source tree";

    private static string Module => Path.GetDirectoryName(BuildLayout.Manifest)!;

    [Fact]
    public void What_help_and_documents_point_to_is_in_the_module()
    {
        List<string> wrong = [];
        int looked = 0;
        foreach (string file in Texts(Module))
        {
            foreach (string line in File.ReadLines(file))
            {
                if (line.Contains(Elsewhere, StringComparison.Ordinal)) continue;
                foreach (string target in Targets(file, line))
                {
                    looked++;
                    if (!Exists(target)) wrong.Add($"{Path.GetRelativePath(Module, file)}: {target} in: {line.Trim()}");
                }
            }
        }

        Assert.True(looked > 100, $"Only {looked} paths were found.");
        Assert.Empty(wrong);
    }

    [Fact]
    public void What_messages_point_to_is_in_the_module()
    {
        string source = Path.Combine(BuildLayout.RepositoryRoot, "src");
        Assert.Empty(
            from file in Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories)
            where !Path.GetRelativePath(source, file).Split(Path.DirectorySeparatorChar)
                .Any(p => p is "obj" or "bin")
            from line in File.ReadLines(file)
            where !line.TrimStart().StartsWith("//", StringComparison.Ordinal)
                && !line.Contains(Elsewhere, StringComparison.Ordinal)
            from text in Literal().Matches(line).Select(m => m.Value)
            from Match path in TreePath().Matches(text)
            where !Exists(Path.Combine(Module, Bare(path.Value)))
            select $"{Path.GetFileName(file)}: {path.Value}");
    }

    /// <summary>The text files of the module, but for the notices and the views.</summary>
    private static IEnumerable<string> Texts(string folder) =>
        from file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        where Path.GetExtension(file) is ".md" or ".ps1" or ".psm1" or ".py"
            || file.EndsWith(".help.txt", StringComparison.Ordinal)
            || file.EndsWith("-Help.xml", StringComparison.Ordinal)
        select file;

    private static IEnumerable<string> Targets(string file, string line)
    {
        // Elsewhere these characters are no link.
        string page = Path.GetExtension(file) == ".md" ? line : "";
        foreach (Match link in Link().Matches(page))
        {
            string path = link.Groups[1].Value;
            if (path.Length > 0 && !path.Contains(':', StringComparison.Ordinal))
                yield return Path.GetFullPath(path, Path.GetDirectoryName(file)!);
        }
        foreach (Match path in TreePath().Matches(Link().Replace(line, "")))
            yield return Path.Combine(Module, Bare(path.Value));
    }

    private static string Bare(string path) => path.TrimEnd('.', '/').Replace('\\', '/');

    private static bool Exists(string path) => File.Exists(path) || Directory.Exists(path);

    [GeneratedRegex(@"\]\(([^)#\s]*)(?:#[^)\s]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex(
        @"(?<![\w/\\.-])((docs|examples|tools|tests|benchmarks|src|build)[/\\]\w[\w./\\-]*|CONTRIBUTING\.md)")]
    private static partial Regex TreePath();

    [GeneratedRegex("\"(?:[^\"\\\\]|\\\\.)*\"")]
    private static partial Regex Literal();
}
