using System.Diagnostics;
using System.Management.Automation;
using System.Reflection;
using System.Runtime.Loader;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

public sealed class ImportTests
{
    // A limit that only a network access or a search would exceed, and not a busy machine.
    [Fact]
    public void Import_waits_for_nothing()
    {
        using (new ModuleSession())
        {
            // The engine itself is warm now, and the assembly is loaded.
        }

        using var session = new ModuleSession(import: false);
        var clock = Stopwatch.StartNew();
        session.Run("Import-Module -Name $args[0]", BuildLayout.Manifest).ThrowIfFailed();

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(10), $"The import took {clock.Elapsed}.");
    }

    /// <summary>Libraries that few commands need are read when one of these is called.</summary>
    [Fact]
    public async Task Import_loads_no_library_that_few_commands_need()
    {
        RunnerProcess.Result loaded = await RunnerProcess.RunAsync("-NonInteractive", "-c",
            "$null = Get-NataliaRepository; [AppDomain]::CurrentDomain.GetAssemblies() | ForEach-Object { "
            + "$_.GetName().Name }");
        string[] names = loaded.Lines;
        Assert.Contains("Natalia.Backup.Operations", names);
        Assert.DoesNotContain(names, n => n is "Renci.SshNet" or "BouncyCastle.Cryptography" or "ZstdSharp"
            or "Natalia.Backup.Serving" || n.StartsWith("AWSSDK", StringComparison.Ordinal));
    }

    [Fact]
    public void Exported_are_exactly_the_cmdlets_that_the_manifest_names()
    {
        using var session = new ModuleSession();
        IReadOnlyList<string> exported = session.Run("Get-Command -Module Natalia.Backup | ForEach-Object Name").Text;
        IReadOnlyList<string> named = session.Run(
            "$data = [scriptblock]::Create([IO.File]::ReadAllText($args[0])).InvokeReturnAsIs(); $data.CmdletsToExport",
            BuildLayout.Manifest).ThrowIfFailed().Text;

        Assert.Equal(named.Order(StringComparer.Ordinal), exported.Order(StringComparer.Ordinal));
        Assert.NotEmpty(named);
    }

    [Theory]
    [InlineData("Import-Module -Name $args[0] -Force")]
    [InlineData("Remove-Module Natalia.Backup; Import-Module -Name $args[0]")]
    [InlineData("Import-Module -Name $args[0] -Force; Import-Module -Name $args[0] -Force")]
    public void Reload_keeps_every_cmdlet(string reload)
    {
        using var session = new ModuleSession();
        IReadOnlyList<string> before = session.Run("Get-Command -Module Natalia.Backup | ForEach-Object Name").Text;
        session.Run(reload, BuildLayout.Manifest).ThrowIfFailed();
        IReadOnlyList<string> after = session.Run("Get-Command -Module Natalia.Backup | ForEach-Object Name").Text;

        Assert.NotEmpty(before);
        Assert.Equal(before, after);
    }

    [Fact]
    public void Removing_the_module_takes_its_cmdlets_away()
    {
        using var session = new ModuleSession();
        session.Run("Remove-Module Natalia.Backup").ThrowIfFailed();

        Assert.Empty(session.Run("Get-Command -Name *-Natalia*").Output);
    }

    [Fact]
    public void The_module_lives_in_a_load_context_of_its_own()
    {
        using var session = new ModuleSession();
        PSObject cmdlet =
            session.Run(
                "Get-Command -Module Natalia.Backup | ForEach-Object { $_.ImplementingType.Assembly }").Output[0]!;
        AssemblyLoadContext context = AssemblyLoadContext.GetLoadContext((Assembly)cmdlet.BaseObject)!;

        Assert.Equal("Natalia.Backup", context.Name);
        Assert.NotSame(AssemblyLoadContext.Default, context);
        Assert.DoesNotContain(
            AssemblyLoadContext.Default.Assemblies,
            a => a.GetName().Name is "Natalia.Backup" or "Natalia.Backup.Engine" or "BouncyCastle.Cryptography");
    }

    [Fact]
    public void What_the_module_brings_does_not_answer_for_others()
    {
        using var session = new ModuleSession();

        Assert.Throws<FileNotFoundException>(() => Assembly.Load("BouncyCastle.Cryptography"));
        Assert.Throws<FileNotFoundException>(() => Assembly.Load("Natalia.Backup.Engine"));
    }

    [Fact]
    public void Nothing_that_PowerShell_brings_is_in_the_module()
    {
        var own = Directory.EnumerateFiles(BuildLayout.ModuleRoot, "*.dll", SearchOption.AllDirectories)
            .Select(Path.GetFileName).ToList();

        Assert.DoesNotContain("System.Management.Automation.dll", own);
        Assert.DoesNotContain("Microsoft.Management.Infrastructure.dll", own);
        Assert.DoesNotContain("System.Management.dll", own);
    }

    [Fact]
    public void Variables_and_functions_of_the_root_module_stay_inside()
    {
        using var session = new ModuleSession();
        PSObject module = session.Run("Get-Module Natalia.Backup").Single;

        Assert.Empty(((System.Collections.IDictionary)module.Properties["ExportedVariables"].Value));
        Assert.Empty(((System.Collections.IDictionary)module.Properties["ExportedFunctions"].Value));
        Assert.Empty(((System.Collections.IDictionary)module.Properties["ExportedAliases"].Value));
    }
}
