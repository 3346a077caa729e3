using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Help;

/// <summary>
/// The lines of docs/schedules.md that keep a secret for an account that nobody can log on as. The Task Scheduler is a
/// stand-in that runs what the task runs; everything else is as an admin pastes it.
/// </summary>
public sealed partial class ServiceAccountSecretTests
{
    private const string StandIns =
        """
        $ErrorActionPreference = 'Stop'
        function Get-Credential($UserName, $Message) { [pscredential]::new($UserName, (ConvertTo-SecureString "p'ss `$word" -AsPlainText -Force)) }
        function icacls { }
        function New-ScheduledTaskAction($Execute, $Argument) { $Argument }
        function New-ScheduledTaskPrincipal($UserId, $LogonType) { $UserId }
        function Register-ScheduledTask($Name, $Action, $Principal) { $Action }
        function Start-ScheduledTask { param([Parameter(ValueFromPipeline)] $Task) & "$PSHOME/pwsh" @($Task -split ' ') }
        function Unregister-ScheduledTask { }
        """;

    [RealPowerShellFact]
    public async Task The_lines_for_a_group_managed_service_account_keep_a_secret_that_the_script_gives_back()
    {
        string page = File.ReadAllText(Path.Combine(BuildLayout.RepositoryRoot, "docs", "schedules.md"));
        using var folder = new TemporaryFolder();
        string Here(string code) =>
            code.Replace(@"C:\ProgramData\Natalia.Backup\secrets", folder.Path, StringComparison.Ordinal)
                .Replace(@"\$", "/$", StringComparison.Ordinal);
        string lines = Here(Block(page, "New-ScheduledTaskPrincipal")), script = Here(Block(page, "param($Name)"));
        string run = folder["run.ps1"], secrets = folder["secrets.ps1"];
        File.WriteAllText(secrets, script);
        File.WriteAllText(run,
            $"{StandIns}\n{lines}\n$kept = & '{secrets}' natalia-nas\n"
            + "\"$($kept.UserName) $($kept.GetNetworkCredential().Password)\"\n");

        RealPowerShell.Result result = await RealPowerShell.RunAsync("-File", run);

        Assert.True(result.ExitCode == 0, result.Error + result.Output);
        Assert.EndsWith("natalia-nas p'ss $word", result.Output.TrimEnd(), StringComparison.Ordinal);
        Assert.Equal(["natalia-nas.xml"],
            Directory.EnumerateFiles(folder.Path, "natalia-nas.*").Select(Path.GetFileName));
    }

    private static string Block(string page, string with) =>
        PowerShellBlock().Matches(page.ReplaceLineEndings("\n")).Select(m => m.Groups[1].Value)
            .Single(b => b.Contains(with, StringComparison.Ordinal));

    [GeneratedRegex(@"^```powershell\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex PowerShellBlock();
}
