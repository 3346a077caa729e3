using System.Reflection;
using Natalia.Backup.Host.Screen;

namespace Natalia.Backup.Host;

internal static class Program
{
    public static string Version { get; } =
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static int Main(string[] arguments)
    {
        CommandLine commandLine;
        try
        {
            commandLine = CommandLine.Parse(arguments);
        }
        catch (CommandLineException wrong)
        {
            Console.Error.WriteLine("natalia: " + wrong.Message);
            return ExitCodes.Usage;
        }

        switch (commandLine.Mode)
        {
            case RunMode.Help:
                Console.Out.WriteLine(HelpText.Text);
                return ExitCodes.Success;
            case RunMode.Version:
                Console.Out.WriteLine("natalia " + Version);
                return ExitCodes.Success;
        }

        var terminal = new Terminal(commandLine.NonInteractive);
        using var engine = new Engine(terminal);
        using var signals = new StopSignals(engine);
        if (!engine.Start())
            return ExitCodes.Failure;

        try
        {
            var code = commandLine.Mode switch
            {
                RunMode.File => engine.RunFile(commandLine.Path!, commandLine.Arguments),
                RunMode.Command => engine.RunText(commandLine.Text!),
                _ when !terminal.CanAsk => engine.RunText(Console.In.ReadToEnd()),
                _ => new Prompt(engine, terminal).Run(),
            };
            return signals.ExitCode ?? code;
        }
        catch (IOException) when (signals.ExitCode is not null)
        {
            // The terminal was closed, and there is nowhere to write to: the signal that came with it says how this ends.
            return signals.ExitCode.Value;
        }
    }
}
