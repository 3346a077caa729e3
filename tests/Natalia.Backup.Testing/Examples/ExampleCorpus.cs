using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Natalia.Backup.Testing.Examples;

/// <summary>Everything that help and documents tell people to type.</summary>
public static partial class ExampleCorpus
{
    /// <summary>The examples that a runner runs; at least one, or there is nothing to run.</summary>
    public static IReadOnlyList<Example> Of(ExampleRunner runner) =>
        [.. All.Where(e => ExampleRunners.Of(e) == runner)];

    /// <summary>One of them.</summary>
    public static Example Get(string id) => All.Single(e => e.Id == id);

    /// <summary>
    /// What a small site of folders has not: a server, a bucket, Windows, a certificate of the reader's, a program of
    /// theirs, or an overlay or a mount from before.
    /// </summary>
    internal static bool NeedsMore(Example example) => ServerWords().IsMatch(example.Code);

    /// <summary>
    /// What is typed where a Proxmox VE cluster, its backup server and a repository for evidence are connected, and
    /// nothing else is needed.
    /// </summary>
    internal static bool IsOfACluster(Example example) =>
        ClusterWords().IsMatch(example.Code) && !NoClusterWords().IsMatch(example.Code);

    /// <summary>True for a script that runs by itself: it connects by a profile and then works.</summary>
    public static bool IsRecipe(Example example) => RecipeWords().IsMatch(example.Code) && !NeedsMore(example);

    /// <summary>True for what says by throwing that something is damaged.</summary>
    public static bool IsProof(Example example) =>
        example.Code.Contains("-Quiet", StringComparison.Ordinal)
        && example.Code.Contains("throw", StringComparison.Ordinal);

    public static IReadOnlyList<Example> All { get; } = [.. OfHelp(), .. OfMarkdown(), .. OfTopics()];

    private static IEnumerable<Example> OfHelp()
    {
        XNamespace command = "http://schemas.microsoft.com/maml/dev/command/2004/10",
            dev = "http://schemas.microsoft.com/maml/dev/2004/10";
        XDocument help = XDocument.Load(Path.Combine(BuildLayout.RepositoryRoot, "en-US",
            "Natalia.Backup.dll-Help.xml"));
        foreach (XElement cmdlet in help.Root!.Elements(command + "command"))
        {
            int number = 0;
            foreach (XElement code in cmdlet.Descendants(dev + "code"))
                yield return new Example($"{cmdlet.Descendants(command + "name").First().Value} example {++number}",
                    code.Value.ReplaceLineEndings("\n"));
        }
    }

    private static IEnumerable<Example> OfMarkdown()
    {
        string[] files = [Path.Combine(BuildLayout.RepositoryRoot, "README.md"),
            .. Directory.EnumerateFiles(Path.Combine(BuildLayout.RepositoryRoot, "docs"), "*.md")
                .Order(StringComparer.Ordinal)];
        foreach (string file in files)
        {
            int number = 0;
            foreach (Match block in MarkdownBlock().Matches(File.ReadAllText(file).ReplaceLineEndings("\n")))
            {
                if (CmdletName().IsMatch(block.Groups[1].Value))
                    yield return new Example($"{Path.GetFileName(file)} block {++number}", block.Groups[1].Value);
            }
        }
    }

    /// <summary>In about topics what is to be typed is indented by eight.</summary>
    private static IEnumerable<Example> OfTopics()
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(BuildLayout.RepositoryRoot, "en-US"),
            "about_*.txt")
            .Order(StringComparer.Ordinal))
        {
            int number = 0;
            foreach (Match block in TopicBlock().Matches(File.ReadAllText(file).ReplaceLineEndings("\n")))
            {
                string code = TopicIndent().Replace(block.Value, "");
                if (FirstWord().IsMatch(code) && CmdletName().IsMatch(code))
                    yield return new Example($"{Path.GetFileName(file)} block {++number}", code);
            }
        }
    }

    [GeneratedRegex(
        @"-Proxmox|\bpbs\b|\bpve\d?\b|-Bucket|Replication|Schedule|NataliaSnapshot|Prerequisite|-Immediate|-OverExisting|-Hypervisor (hv\d|bench)|-BackupServer|natalia-01|nas-user|Receive-Job|-Qemu|-TestBench|Test-NataliaRestore\b|NataliaRestoreTest (-Appliance )?natalia|-(Trusted)?Certificate|-ExpectedThumbprint|qemu-img|/var/lib/|-Overlay\b|-MountId|Get-Credential")]
    private static partial Regex ServerWords();

    [GeneratedRegex(@"natalia-01|\bpbs\b|Replica|NataliaSnapshot|NataliaSchedule")]
    private static partial Regex ClusterWords();

    [GeneratedRegex(
        @"-HyperV|-VMware|-Proxmox |-Bucket|-Qemu|-BackupServer|-ProfilePath|Import-NataliaProfile|-AsScheduled|"
        + @"-TestBench|Test-NataliaRestore\b|GuestCredential|-SshHost|-DataDisk|-EnableVss|-EnableChange|-Consolidate|"
        + @"-EvidenceRepository|natalia-backup-nightly|\bhv\d|\\\\nas")]
    private static partial Regex NoClusterWords();

    [GeneratedRegex(@"Import-NataliaProfile[^\n]*\n[\s\S]*-Natalia")]
    private static partial Regex RecipeWords();

    [GeneratedRegex(@"^```powershell\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex MarkdownBlock();

    [GeneratedRegex(@"(?:^ {8}\S.*\n(?:^ {8,}\S.*\n|^\n(?= {8,}\S))*)", RegexOptions.Multiline)]
    private static partial Regex TopicBlock();

    [GeneratedRegex(@"^ {8}", RegexOptions.Multiline)]
    private static partial Regex TopicIndent();

    [GeneratedRegex(@"^(\$|\(|[A-Z][a-z]+-[A-Z]|try \{|\d+\.\.|if \()")]
    private static partial Regex FirstWord();

    [GeneratedRegex(@"\b[A-Z][a-z]+-Natalia[A-Za-z]+")]
    private static partial Regex CmdletName();
}
