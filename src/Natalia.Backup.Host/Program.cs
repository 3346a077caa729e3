using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Runtime;
using System.Text;
using Microsoft.PowerShell;

namespace Natalia.Backup.Host;

/// <summary>PowerShell's own console with the module imported, and an end that waits for clean-up.</summary>
internal static class Program
{
    public static string Version { get; } =
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion.Split('+')[0];

    private static int Main(string[] arguments)
    {
        // Opened while there still are descriptors, so that a lack of them can be told. Writing to one opens the other.
        (TextWriter? errors, TextWriter _) = (Console.Error, Console.Out);
        // On the thread of any cmdlet; the runtime would print its stack and abort.
        AppDomain.CurrentDomain.UnhandledException += (_, thrown) =>
            Environment.Exit(Report(errors, thrown.ExceptionObject));
        try
        {
            return Run(CommandLine.Parse(arguments));
        }
        catch (Exception error)
        {
            return Report(errors, error);
        }
    }

    private static int Run(CommandLine commandLine)
    {
        switch (commandLine.Mode)
        {
            case RunMode.Help:
                Console.Out.WriteLine(HelpText.Text);
                return ExitCodes.Success;
            case RunMode.Version:
                Console.Out.WriteLine("natalia " + Version);
                return ExitCodes.Success;
        }

        Surroundings.Check();
        Surroundings.DoWithoutHome();
        if (!File.Exists(ModuleFolder.Manifest))
            throw new FileNotFoundException(
                $"There is no module at '{ModuleFolder.Manifest}': this installation is incomplete.");

        using var signals = StopSignals.Watch(commandLine.IsPrompt);
        var code = ConsoleShell.Start(Session(), HelpText.Banner, helpText: null, [.. commandLine.Arguments]);
        return signals.ExitCode ?? code;
    }

    private static InitialSessionState Session()
    {
        // PowerShell reads both when it is first touched.
        Environment.SetEnvironmentVariable("POWERSHELL_TELEMETRY_OPTOUT", "1");
        Environment.SetEnvironmentVariable("POWERSHELL_UPDATECHECK", "Off");
        // 'Import-Module Natalia.Backup', and runspaces of a script's own, find the module by its name.
        var path = Environment.GetEnvironmentVariable("PSModulePath");
        Environment.SetEnvironmentVariable(
            "PSModulePath",
            string.IsNullOrEmpty(path) ? ModuleFolder.Parent : ModuleFolder.Parent + Path.PathSeparator + path);

        // PowerShell has the runtime note what a run compiles, with tens of thousands of writes at its end, and compile
        // that ahead in the next one. Measured here it costs a run a tenth of a second of processor time and saves
        // none. The first folder that is set counts; one that is not there takes no notes.
        ProfileOptimization.SetProfileRoot(Path.Combine(AppContext.BaseDirectory, "no-startup-notes"));

        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        if (Console.IsOutputRedirected || Console.IsErrorRedirected)
            PSStyle.Instance.OutputRendering = OutputRendering.PlainText;

        var state = InitialSessionState.CreateDefault2();
        if (OperatingSystem.IsWindows())
            state.ExecutionPolicy = ExecutionPolicy.RemoteSigned;
        state.ImportPSModule([typeof(RunspaceOpened).Assembly.Location, ModuleFolder.Manifest]);
        return state;
    }

    /// <summary>What nobody expected, in a sentence: no descriptors or memory left, a broken installation.</summary>
    private static int Report(TextWriter errors, object? thrown)
    {
        var error = thrown as Exception;
        while (error is (TypeInitializationException or TargetInvocationException) && error.InnerException is { } inner)
            error = inner;
        errors.WriteLine($"natalia: {error?.Message}");
        return ExitCodes.Internal;
    }
}
