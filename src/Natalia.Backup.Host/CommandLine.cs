namespace Natalia.Backup.Host;

internal enum RunMode
{
    Shell,
    Help,
    Version,
}

/// <summary>
/// What <c>natalia</c> adds to the command line of PowerShell's console, which understands all the rest.
/// </summary>
internal sealed record CommandLine(RunMode Mode)
{
    /// <summary>For PowerShell's console.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Somebody types: Ctrl-C ends a command, not the process.</summary>
    public bool IsPrompt { get; init; }

    public static CommandLine Parse(IReadOnlyList<string> arguments)
    {
        List<string> options = ["-NoProfile"];
        // Where nobody can answer, a question is an error: PowerShell's console would take the end of the input for a
        // yes.
        if (Console.IsInputRedirected || (Console.IsOutputRedirected && Console.IsErrorRedirected))
            options.Add("-NonInteractive");

        for (var i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i].ToLowerInvariant())
            {
                case "-h" or "-?" or "--help" or "-help":
                    return new CommandLine(RunMode.Help);
                case "-v" or "--version" or "-version":
                    return new CommandLine(RunMode.Version);
                case "--non-interactive":
                    options.Add("-NonInteractive");
                    break;
                case "-noprofile" or "--":
                    break;
                case "-nologo" or "-noninteractive":
                    options.Add(arguments[i]);
                    break;
                default:
                    return new CommandLine(RunMode.Shell)
                    {
                        Arguments = [.. options, .. arguments.Skip(i)],
                        IsPrompt = arguments[i].StartsWith("-noe", StringComparison.OrdinalIgnoreCase),
                    };
            }
        }

        // All of the input is one script, as that of other shells is; PowerShell's console would echo it line by line.
        return Console.IsInputRedirected
            ? new CommandLine(RunMode.Shell) { Arguments = [.. options, "-Command", Console.In.ReadToEnd()] }
            : new CommandLine(RunMode.Shell) { Arguments = options, IsPrompt = true };
    }
}
