using System.Management.Automation.Runspaces;
using System.Reflection;
using Microsoft.PowerShell.Commands.Internal.Format;

namespace Natalia.Backup.Host;

/// <summary>
/// The two places where the runner needs what the engine keeps to itself and gives only to pwsh. Tests notice at once if a newer engine has changed them.
/// </summary>
internal static class EngineInternals
{
    private const BindingFlags Instance = BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;

    /// <summary>
    /// Joins a formatting cmdlet to the formatter. The engine has both, but the classes that join them lie in the utility module.
    /// </summary>
    public static void AttachFormatter(FrontEndCommandBase command, string shape)
    {
        const string Namespace = "Microsoft.PowerShell.Commands.Internal.Format.";
        var engine = typeof(FrontEndCommandBase).Assembly;
        var shapes = engine.GetType(Namespace + "FormatShape", throwOnError: true)!;
        var inner = engine.GetType(Namespace + "InnerFormatShapeCommand", throwOnError: true)!;
        var formatter = Activator.CreateInstance(inner, Instance, binder: null, [Enum.Parse(shapes, shape)], culture: null);
        typeof(FrontEndCommandBase).GetField("implementation", Instance)!.SetValue(command, formatter);
    }

    /// <summary>Has the 'exit' of the script that runs next reach the host; otherwise it would only end the script.</summary>
    public static void LetExitThrough(Runspace runspace)
    {
        var context = typeof(Runspace).GetProperty("ExecutionContext", Instance)!.GetValue(runspace)!;
        context.GetType().GetProperty("ScriptCommandProcessorShouldRethrowExit", Instance)!.SetValue(context, true);
    }
}
