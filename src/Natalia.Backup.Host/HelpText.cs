using Natalia.Backup.Host.Commands;

namespace Natalia.Backup.Host;

internal static class HelpText
{
    public static string Text =>
        $"""
        natalia {Program.Version}: runs the cmdlets of Natalia.Backup, and scripts that use them, without an installed PowerShell.

          natalia SCRIPT.ps1 [ARGUMENTS]   run a script; arguments bind as in 'pwsh -File': -Name value, -Switch, or by position
          natalia -c 'COMMANDS'            run commands
          natalia                          prompt; with input from a pipe, run what comes in
          natalia --help | --version

          --non-interactive                never ask: a question is an error

        What scripts find here
          The real PowerShell engine with Natalia.Backup imported: the language, .NET, pipelines, ForEach-Object, Where-Object, Get-Command, Get-Help, jobs, modules.
          Stand-ins, smaller than the commands whose names they bear (Get-Help NAME shows what each takes):
        {Wrapped()}
          Other commands of PowerShell's utility modules are not here. Scripts that need them run in pwsh, after Import-Module Natalia.Backup.

        Streams
          Output goes to stdout; errors, warnings, verbose and debug messages to stderr; progress is drawn only where stderr is a terminal.
          Redirected output, NO_COLOR and TERM=dumb are without colours.

        Exit codes
          0    done; errors that did not end the script are shown, and do not count
          1    ended by an error; with -c also: the last command failed
          n    the script said 'exit n'
          64   this command line is wrong
          130  stopped by Ctrl-C, after clean-up        143  by SIGTERM, after clean-up
        """;

    private static string Wrapped() =>
        string.Join(Environment.NewLine, StandIns.Names.Chunk(6).Select(names => "    " + string.Join(", ", names)));
}
