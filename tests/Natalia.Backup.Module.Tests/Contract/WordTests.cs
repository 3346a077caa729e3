using System.Management.Automation;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Contract;

/// <summary>Every cmdlet and parameter that a text names exists.</summary>
public sealed partial class WordTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    // What belongs to PowerShell, to programs and to scripts of ours.
    private static readonly HashSet<string> s_others = new([
        "AsSecureString", "Command", "ErrorAction", "ExpandProperty", "File", "First", "Image", "Module", "Name",
        "NoExit", "NoProfile", "NonInteractive", "Online", "Parallel", "Switch", "Task", "WhatIf", "Confirm", "Verbose",
        "WarningAction", "ErrorVariable", "Property", "Path", "LiteralPath", "Depth", "ItemType", "Recurse", "Keep",
        "WorkFolder", "Full", "Assembly", "NoLogo", "ExecutionPolicy", "Work", "ReportFolder", "Group", "Member",
        "Scope", "Trusted", "Uri", "EnumsAsStrings", "AsPlainText",
    ], StringComparer.Ordinal);

    [Fact]
    public void Texts_name_only_cmdlets_and_parameters_that_exist()
    {
        Dictionary<string, CmdletInfo> commands = Commands();
        HashSet<string> parameters = [.. commands.Values.SelectMany(c => c.Parameters.Values)
            .SelectMany(p => p.Aliases.Append(p.Name))];
        List<string> wrong = [];
        foreach ((string where, string text) in Texts())
        {
            foreach (Match name in CmdletName().Matches(text))
                if (!commands.ContainsKey(name.Value)) wrong.Add($"{where}: {name.Value}");
            foreach (Match parameter in ParameterName().Matches(ForeignUse().Replace(text, "")))
                if (!parameters.Contains(parameter.Groups[1].Value) && !s_others.Contains(parameter.Groups[1].Value))
                    wrong.Add($"{where}: -{parameter.Groups[1].Value}");
            foreach (Match use in CmdletUse().Matches(text))
                if (commands.TryGetValue(use.Groups["name"].Value, out CmdletInfo? command)
                    && !Precedes(text, use.Index, "Get-Help"))
                    foreach (Match parameter in ParameterName().Matches(use.Groups["rest"].Value))
                        if (!Has(command, parameter.Groups[1].Value)) wrong.Add($"{where}: {use.Value.Trim()}");
        }
        Assert.Empty(wrong.Distinct());
    }

    [Fact]
    public void A_command_that_lacks_a_parameter_says_whose_it_is()
    {
        // The same words come up from below in commands that have the parameter, and in others.
        Assembly own = Commands().Values.First().ImplementingType.Assembly;
        MethodInfo complete = own.GetType("Natalia.Backup.Errors.ParameterWords", throwOnError: true)!
            .GetMethod("Complete", BindingFlags.Static | BindingFlags.NonPublic)!;
        string Tell(string text, string cmdlet) =>
            (string)complete.Invoke(null, [text, Commands()[cmdlet].ImplementingType])!;
        const string Advice = "Give -AddressingStyle Path.";
        Assert.Equal(Advice, Tell(Advice, "Connect-NataliaRepository"));
        Assert.Equal(Advice + " -AddressingStyle is a parameter of Connect-NataliaRepository and New-NataliaRepository.",
            Tell(Advice, "Import-NataliaProfile"));
        Assert.Equal("Run Repair-NataliaRepository -Full -WhatIf. Then -Force.",
            Tell("Run Repair-NataliaRepository -Full -WhatIf. Then -Force.", "Export-NataliaDisk"));
        Assert.Equal("A value of -5 is too low.", Tell("A value of -5 is too low.", "Get-NataliaRestorePoint"));
    }

    [Fact]
    public void What_only_Proxmox_does_says_so_in_its_help()
    {
        using var fixture = new Commands.FolderFixture();
        fixture.WithRepository("nas");
        List<string> silent = [];
        foreach (CmdletInfo command in Commands().Values.OrderBy(c => c.Name, StringComparer.Ordinal))
        {
            string script = command.Name switch
            {
                "Set-NataliaReplication" => "Set-NataliaReplication natalia-paris -TargetVMHost x",
                "Register-NataliaSchedule" => "Register-NataliaSchedule natalia-paris -At 02:00",
                "Unregister-NataliaSchedule" => "Unregister-NataliaSchedule -ScheduleId x -Confirm:$false",
                "Remove-NataliaReplication" => "Remove-NataliaReplication -ReplicationId x -Confirm:$false",
                "Remove-NataliaSnapshot" => "Get-NataliaAppliance -Name natalia-paris | Remove-NataliaSnapshot "
                    + "-SnapshotId x -Confirm:$false",
                string name when Regex.IsMatch(name, "Snapshot|Schedule|Replication|Prerequisite")
                    => name + " natalia-paris -WarningAction Ignore",
                _ => "",
            };
            if (script.Length == 0) continue;
            if (!fixture.Run(script).ErrorIds.Any(id => id.StartsWith("CapabilityMissing,", StringComparison.Ordinal)))
                continue;
            string help = string.Concat(module.Run($"(Get-Help {command.Name}).description | Out-String -Width 500").Text);
            if (!help.Contains("Proxmox VE", StringComparison.Ordinal)
                || !help.Contains("CapabilityMissing", StringComparison.Ordinal)) silent.Add(command.Name);
        }
        Assert.Empty(silent);
    }

    [Fact]
    public void The_manifest_claims_only_what_is_there()
    {
        ScriptResult manifest = module.Run("$m = [scriptblock]::Create([IO.File]::ReadAllText($args[0]))"
            + ".InvokeReturnAsIs(); $m.Description; $m.PrivateData.PSData.Tags; $m.FormatsToProcess; $m.RootModule",
            BuildLayout.Manifest).ThrowIfFailed();
        string description = manifest.Text[0];
        HashSet<string> names = [.. Commands().Keys];
        (string Claim, string Cmdlet)[] claims =
        [
            ("restore test", "Test-NataliaRestore"), ("report", "Export-NataliaReport"),
            ("retention", "Invoke-NataliaRetention"), ("incremental", "Invoke-NataliaBackup"),
            ("audit", "Test-NataliaAudit"), ("copies", "Copy-NataliaRestorePoint"),
            ("verified", "Test-NataliaRestorePoint"), ("replication", "Set-NataliaReplication"),
        ];
        Assert.DoesNotContain(claims, c => description.Contains(c.Claim, StringComparison.OrdinalIgnoreCase)
            && !names.Contains(c.Cmdlet));
        Assert.All(manifest.Text.Where(t => t.Contains(".ps", StringComparison.Ordinal)),
            file => Assert.True(File.Exists(Path.Combine(BuildLayout.ModuleRoot, file)), file));
        string parameters = string.Join(' ', Commands()["Connect-NataliaHypervisor"].Parameters.Keys)
            + " Restore Backup Windows Linux";
        foreach (string tag in new[] { "Proxmox", "VMware", "HyperV", "Qemu" })
            if (manifest.Text.Contains(tag))
                Assert.Contains(tag, parameters, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Texts of the product: string literals of sources, help, topics, documents.</summary>
    private static IEnumerable<(string Where, string Text)> Texts()
    {
        string root = BuildLayout.RepositoryRoot;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal)
                && !f.Contains("\\obj\\", StringComparison.Ordinal) && !f.Contains("\\bin\\", StringComparison.Ordinal)))
        {
            string code = Comment().Replace(File.ReadAllText(file), "");
            code = Joined().Replace(code, "");
            foreach (Match literal in Literal().Matches(code))
                yield return (Path.GetFileName(file), literal.Groups[1].Value.Replace("\\n", "\n"));
        }
        foreach (XElement text in XDocument.Load(Path.Combine(root, "en-US", "Natalia.Backup.dll-Help.xml"))
            .Descendants().Where(e => e.Name.LocalName is "para" or "code"))
            yield return ("help", text.Value);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(root, "en-US"), "about_*.txt")
            .Concat(Directory.EnumerateFiles(Path.Combine(root, "docs"), "*.md"))
            .Concat([Path.Combine(root, "README.md")]))
            foreach (string paragraph in Regex.Split(File.ReadAllText(file), @"\r?\n\s*\r?\n"))
                yield return (Path.GetFileName(file), paragraph);
    }

    private static bool Precedes(string text, int index, string word) =>
        text.Substring(0, index).TrimEnd().EndsWith(word, StringComparison.Ordinal);

    private static bool Has(CmdletInfo command, string parameter) =>
        command.Parameters.Values.Any(p => p.Name == parameter || p.Aliases.Contains(parameter));

    private Dictionary<string, CmdletInfo> Commands() =>
        module.Run("Get-Command -Module Natalia.Backup -CommandType Cmdlet").ThrowIfFailed()
            .Output.Select(o => (CmdletInfo)o!.BaseObject).ToDictionary(c => c.Name, StringComparer.Ordinal);

    [GeneratedRegex(@"\b[A-Z][a-z]+-Natalia[A-Z][A-Za-z]+")]
    private static partial Regex CmdletName();

    [GeneratedRegex(@"(?<name>\b[A-Z][a-z]+-Natalia[A-Z][A-Za-z]+)(?<rest>(?:(?!\b[A-Z][a-z]+-[A-Z])[^|\n;.,#`()])*)")]
    private static partial Regex CmdletUse();

    /// <summary>A command of somebody else with what is given to it.</summary>
    [GeneratedRegex(@"\b[A-Z][a-z]+-(?!Natalia)[A-Z]\w+(?:(?!\b[A-Z][a-z]+-[A-Z])[^|\n;])*")]
    private static partial Regex ForeignUse();

    [GeneratedRegex(@"(?<![\w-])-(?!Natalia)([A-Z][A-Za-z]{2,})\b")]
    private static partial Regex ParameterName();

    [GeneratedRegex(@"^\s*//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex("\"\\s*\\n\\s*\\+ \\$?\"")]
    private static partial Regex Joined();

    [GeneratedRegex("\"((?:[^\"\\\\\\n]|\\\\.)*)\"")]
    private static partial Regex Literal();
}
