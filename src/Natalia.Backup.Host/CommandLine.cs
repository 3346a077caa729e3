using System.Management.Automation.Runspaces;

namespace Natalia.Backup.Host;

internal enum RunMode
{
    Prompt,
    File,
    Command,
    Help,
    Version,
}

internal sealed class CommandLineException(string message) : Exception(message);

/// <summary>What the runner was asked to do.</summary>
internal sealed record CommandLine
{
    public RunMode Mode { get; init; }

    /// <summary>The script, with <see cref="RunMode.File"/>.</summary>
    public string? Path { get; init; }

    /// <summary>What the script gets, with <see cref="RunMode.File"/>.</summary>
    public IReadOnlyList<CommandParameter> Arguments { get; init; } = [];

    /// <summary>The commands, with <see cref="RunMode.Command"/>.</summary>
    public string? Text { get; init; }

    public bool NonInteractive { get; init; }

    public static CommandLine Parse(IReadOnlyList<string> arguments)
    {
        var nonInteractive = false;
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            switch (argument.ToLowerInvariant())
            {
                case "-h" or "-?" or "--help" or "-help":
                    return new CommandLine { Mode = RunMode.Help };
                case "-v" or "--version" or "-version":
                    return new CommandLine { Mode = RunMode.Version };
                case "--non-interactive" or "-noninteractive":
                    nonInteractive = true;
                    break;
                case "-nologo" or "-noprofile" or "--":
                    break;
                case "-c" or "--command" or "-command":
                    return i + 1 < arguments.Count
                        ? new CommandLine { Mode = RunMode.Command, Text = string.Join(' ', arguments.Skip(i + 1)), NonInteractive = nonInteractive }
                        : throw new CommandLineException($"{argument} needs the commands to run.");
                case "-f" or "--file" or "-file":
                    return i + 1 < arguments.Count
                        ? ForFile(arguments[i + 1], arguments.Skip(i + 2), nonInteractive)
                        : throw new CommandLineException($"{argument} needs the path of a script.");
                case "-" when i + 1 == arguments.Count:
                    return new CommandLine { Mode = RunMode.Command, Text = Console.In.ReadToEnd(), NonInteractive = nonInteractive };
                default:
                    return argument.StartsWith('-')
                        ? throw new CommandLineException($"'{argument}' is not an option. 'natalia --help' lists them.")
                        : ForFile(argument, arguments.Skip(i + 1), nonInteractive);
            }
        }

        return new CommandLine { Mode = RunMode.Prompt, NonInteractive = nonInteractive };
    }

    private static CommandLine ForFile(string path, IEnumerable<string> arguments, bool nonInteractive)
    {
        var full = System.IO.Path.GetFullPath(path);
        if (!File.Exists(full))
            throw new CommandLineException($"There is no script '{full}'.");
        if (!string.Equals(System.IO.Path.GetExtension(full), ".ps1", StringComparison.OrdinalIgnoreCase))
            throw new CommandLineException($"'{full}' is not a script: its name does not end in .ps1.");
        return new CommandLine { Mode = RunMode.File, Path = full, Arguments = [.. arguments.SelectMany(ToParameters)], NonInteractive = nonInteractive };
    }

    /// <summary>
    /// As pwsh -File does it: "-Name" is a parameter whose value, if it takes one, is what follows; "-Name:value" is both at once; all else is a value.
    /// Which of these a parameter is, a switch or not, the engine knows when it binds them.
    /// </summary>
    private static IEnumerable<CommandParameter> ToParameters(string argument)
    {
        var named = argument.Length > 1 && argument[0] == '-' && (char.IsLetter(argument[1]) || argument[1] is '_' or '?');
        if (!named)
        {
            yield return new CommandParameter(null, argument);
            yield break;
        }

        var colon = argument.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || colon == argument.Length - 1)
        {
            yield return new CommandParameter(argument);
            yield break;
        }

        object value = argument[(colon + 1)..].ToLowerInvariant() switch
        {
            "$true" or "true" => true,
            "$false" or "false" => false,
            "$null" => null!,
            _ => argument[(colon + 1)..],
        };
        yield return new CommandParameter(argument[1..colon], value);
    }
}
