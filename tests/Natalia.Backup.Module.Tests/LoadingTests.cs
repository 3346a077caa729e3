using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

/// <summary>What importing and removing the module do besides.</summary>
public sealed class LoadingTests
{
    [Theory]
    [InlineData("Remove-Module Natalia.Backup; Import-Module -Name $args[0]")]
    [InlineData("Import-Module -Name $args[0] -Force")]
    [InlineData("Import-Module -Name $args[0] -Force; $null = Connect-NataliaHypervisor -Folder $args[1]; "
        + "Remove-Module Natalia.Backup; Import-Module -Name $args[0]")]
    public void Connections_end_with_the_module(string script)
    {
        using var session = new ModuleSession();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("natalia-load-");
        try
        {
            session.Run("$null = Connect-NataliaHypervisor -Folder $args[0]", folder.FullName).ThrowIfFailed();
            Assert.Single(session.Run("Get-NataliaHypervisor").ThrowIfFailed().Output);
            session.Run(script, BuildLayout.Manifest, folder.FullName).ThrowIfFailed();
            Assert.Empty(session.Run("Get-NataliaHypervisor").ThrowIfFailed().Output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void In_constrained_language_the_import_says_why_it_cannot_be()
    {
        using var session = new ModuleSession(import: false);
        ScriptResult result = session.Run(
            "$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'; Import-Module -Name $args[0]",
            BuildLayout.Manifest);
        string message = (result.TerminatingError ?? result.Errors.Single()).Exception.Message;
        Assert.Contains("ConstrainedLanguage", message, StringComparison.Ordinal);
        Assert.Contains("ModulesToImport", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_copy_is_refused_with_the_place_of_the_first_which_stays()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("natalia-copy-");
        try
        {
            string copy = Path.Combine(folder.FullName, "Natalia.Backup");
            foreach (string file in Directory.EnumerateFiles(BuildLayout.ModuleRoot, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(copy, Path.GetRelativePath(BuildLayout.ModuleRoot, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
            using var session = new ModuleSession();
            ScriptResult result = session.Run("Import-Module -Name $args[0]", copy);
            string message = (result.TerminatingError ?? result.Errors.Single()).Exception.Message;
            Assert.Contains($"is loaded from '{BuildLayout.ModuleRoot}", message, StringComparison.Ordinal);
            Assert.Contains("Start a new PowerShell", message, StringComparison.Ordinal);
            Assert.Single(session.Run("Get-Module Natalia.Backup").Output);
            Assert.Empty(session.Run("Get-NataliaHypervisor").ThrowIfFailed().Output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
