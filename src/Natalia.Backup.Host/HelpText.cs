using System.Management.Automation;
using System.Reflection;

namespace Natalia.Backup.Host;

internal static class HelpText
{
    /// <summary>For whoever types.</summary>
    public static string Banner =>
        $"natalia {Program.Version}, PowerShell {Engine}, made for scripts. " +
        $"A prompt with history and completion is that of pwsh:{Environment.NewLine}" +
        $"  dotnet tool install --global PowerShell --version 7.6.9; pwsh -NoExit -Command \"Import-Module "
        + $"'{ModuleFolder.Manifest}'\"";

    private static string? Engine =>
        typeof(PSObject).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            ?.InformationalVersion.Split(' ')[0];

    public static string Text =>
        $"""
        natalia {Program.Version}: PowerShell with Natalia.Backup imported, for machines without an installed PowerShell.

          natalia SCRIPT.ps1 [ARGUMENTS]   run a script; arguments bind as in 'pwsh -File': -Name value, -Switch, or by position
          natalia -c 'COMMANDS'            run commands
          natalia                          prompt; with input from a pipe, run what comes in
          natalia --help | --version

          --non-interactive                never ask: a question is an error. So it is without a terminal
          Other options are those of pwsh. No profile is run.

        What scripts find here
          PowerShell's own console and its cmdlets: what runs in pwsh runs here. Only Start-Job needs pwsh itself; Start-ThreadJob and ForEach-Object -Parallel do not.
          Whoever types is better off with pwsh, which has history and completion, and Import-Module '{ModuleFolder.Manifest}'.

        Streams
          Errors go to stderr, all else to stdout, as in pwsh: output, warnings, verbose and debug messages. A script may send one elsewhere: 3> warnings.txt.
          Redirected output is without colours. Nothing is sent to Microsoft, and no update is looked for.

        Exit codes
          0    done; errors that did not end the script are shown, and do not count
          1    ended by an error; with -c also: the last command failed
          n    the script said 'exit n'
          64   this command line is wrong
          70   PowerShell could not be started: no memory or descriptors left, an incomplete installation
          130  stopped by Ctrl-C, after clean-up        143  by SIGTERM or SIGHUP, after clean-up
        """;
}
