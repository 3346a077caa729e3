using System.Management.Automation;
using System.Reflection;
using System.Runtime.Loader;
using System.Text.RegularExpressions;
using Natalia.Backup.HelpGenerator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Help;

public sealed partial class HelpTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    private const string Regenerate = "Run: dotnet run --project tools/Natalia.Backup.HelpGenerator -c Release";

    [Fact]
    public void The_help_file_is_what_the_comments_say_now_and_nothing_lacks_text()
    {
        var expected = HelpDocument.Generate(BuildLayout.Manifest, BuildPaths.Comments,
            out IReadOnlyList<string>? gaps);

        Assert.Empty(gaps);
        Assert.True(File.Exists(BuildPaths.Help), $"{BuildPaths.Help} is missing. {Regenerate}");
        Assert.True(File.ReadAllText(BuildPaths.Help).ReplaceLineEndings("\n") == expected,
            $"{BuildPaths.Help} is out of date. {Regenerate}");
    }

    [Fact]
    public void The_engine_finds_text_for_every_cmdlet_and_every_parameter()
    {
        ScriptResult found = module.Run(
            """
            foreach ($command in Get-Command -Module Natalia.Backup) {
                $help = Get-Help $command.Name -Full
                if (-not $help.Description) { "$($command.Name): description" }
                if (@($help.Examples.Example).Count -lt 2) { "$($command.Name): examples" }
                foreach ($parameter in $help.Parameters.Parameter) {
                    if (-not $parameter.Description.Text) { "$($command.Name) -$($parameter.Name)" }
                }
                $documented = @($help.Parameters.Parameter | ForEach-Object Name)
                foreach ($name in $command.ImplementingType.GetProperties() | Where-Object { $_.IsDefined([System.Management.Automation.ParameterAttribute], $true) } | ForEach-Object Name) {
                    if ($name -notin $documented) { "$($command.Name) -$($name): absent" }
                }
            }
            """).ThrowIfFailed();

        Assert.Empty(found.Text);
    }

    [Fact]
    public void A_synopsis_is_one_short_line()
    {
        IReadOnlyList<string> synopses =
            module.Run("Get-Command -Module Natalia.Backup | ForEach-Object { (Get-Help $_.Name).Synopsis.Trim() }")
            .ThrowIfFailed().Text;

        Assert.NotEmpty(synopses);
        Assert.All(synopses, s => Assert.InRange(s.Length, 10, 90));
        Assert.All(synopses, s => Assert.DoesNotContain('\n', s));
    }

    public static IEnumerable<object[]> Topics => Directory
        .EnumerateFiles(Path.Combine(BuildLayout.RepositoryRoot, "en-US"), "about_*.help.txt")
        .Select(f => new object[] { Path.GetFileName(f).Replace(".help.txt", "", StringComparison.Ordinal) });

    [Theory]
    [MemberData(nameof(Topics))]
    public void About_topics_are_found(string topic)
    {
        var text = module.Run("Get-Help $args[0]", topic).ThrowIfFailed().Single.ToString();

        Assert.Contains("SHORT DESCRIPTION", text);
        // What it says to see also is there.
        foreach (Match other in TopicName().Matches(text))
            Assert.Contains(other.Value, Topics.Select(t => (string)t[0]));
    }

    [Fact]
    public void About_topics_fit_a_narrow_console() =>
        Assert.Empty(
            from file in Directory.EnumerateFiles(Path.Combine(BuildLayout.RepositoryRoot, "en-US"), "about_*.txt")
            from line in File.ReadLines(file).Select((text, i) => (text, number: i + 1))
            where line.text.Length > 90
            select $"{Path.GetFileName(file)}({line.number})");

    [Fact]
    public void About_topics_name_only_cmdlets_that_exist_and_parameters_that_they_have()
    {
        var commands = module.Run("Get-Command -Module Natalia.Backup")
            .ThrowIfFailed().Output.Select(o => (CmdletInfo)o!.BaseObject).ToDictionary(c => c.Name);
        var text = string.Join('\n',
            Directory.EnumerateFiles(Path.Combine(BuildLayout.RepositoryRoot, "en-US"), "about_*.txt")
                .Select(File.ReadAllText));

        var unknown = CmdletName().Matches(text).Select(m => m.Value).Distinct().Where(n => !commands.ContainsKey(n))
            .ToList();
        Assert.Empty(unknown);
        Assert.Empty(
            from use in CmdletUse().Matches(text)
            let command = commands[use.Groups["name"].Value]
            from parameter in ParameterName().Matches(use.Groups["rest"].Value)
            where !command.Parameters.ContainsKey(parameter.Groups[1].Value)
            select use.Value);
    }

    [Fact]
    public void Every_error_id_is_explained_and_nothing_else_is()
    {
        var cmdlet = (CmdletInfo)module.Run("Get-Command Invoke-NataliaBackup").Single.BaseObject;
        Assembly engine =
            AssemblyLoadContext.GetLoadContext(cmdlet.ImplementingType.Assembly)!.LoadFromAssemblyName(
                new AssemblyName("Natalia.Backup.Engine"));
        var ids = engine.GetType("Natalia.Backup.Engine.ErrorIds", throwOnError: true)!.GetFields()
            .Select(f => (string)f.GetRawConstantValue()!).ToList();
        IEnumerable<string> explained = ExplainedId()
            .Matches(
                File.ReadAllText(Path.Combine(BuildLayout.RepositoryRoot, "en-US", "about_NataliaErrors.help.txt")))
            .Select(m => m.Groups[1].Value);

        Assert.NotEmpty(ids);
        Assert.Equal(ids.Order(StringComparer.Ordinal), explained.Order(StringComparer.Ordinal));
    }

    [GeneratedRegex(@"\b[A-Z][a-z]+-Natalia[A-Za-z]+")]
    private static partial Regex CmdletName();

    [GeneratedRegex(@"(?<name>\b[A-Z][a-z]+-Natalia[A-Za-z]+)(?<rest>[^|\n)#]*)")]
    private static partial Regex CmdletUse();

    [GeneratedRegex(@"\s-([A-Z][A-Za-z]+)")]
    private static partial Regex ParameterName();

    [GeneratedRegex(@"\babout_Natalia[A-Za-z.]*[A-Za-z]")]
    private static partial Regex TopicName();

    [GeneratedRegex(@"^    ([A-Z][A-Za-z]+)(?: {2,}\S.*)?\r?$", RegexOptions.Multiline)]
    private static partial Regex ExplainedId();
}
