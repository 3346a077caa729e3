using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Cmdlets.Tests;

/// <summary>A runspace of the real engine that knows the module's cmdlets and those of the tests.</summary>
internal sealed class EngineSession : IDisposable
{
    private static readonly IReadOnlyList<SessionStateCmdletEntry> s_cmdlets =
        [.. new[] { typeof(ModuleCleanup).Assembly, typeof(EngineSession).Assembly }
        .SelectMany(a => a.GetTypes())
        .Where(t => !t.IsAbstract)
        .Select(t => (Type: t, Attribute: t.GetCustomAttribute<CmdletAttribute>()))
        .Where(t => t.Attribute is not null)
        .Select(t => new SessionStateCmdletEntry($"{t.Attribute!.VerbName}-{t.Attribute.NounName}", t.Type, null))];

    internal EngineSession(System.Management.Automation.Host.PSHost? host = null)
    {
        InitialSessionState state = InitialSessionState.CreateDefault2();
        foreach (SessionStateCmdletEntry cmdlet in s_cmdlets) state.Commands.Add(cmdlet);
        Runspace = host is null ? RunspaceFactory.CreateRunspace(state) : RunspaceFactory.CreateRunspace(host, state);
        Runspace.Open();
    }

    internal Runspace Runspace { get; }

    internal PowerShell Create(string script, params object?[] arguments)
    {
        PowerShell shell = PowerShell.Create();
        shell.Runspace = Runspace;
        shell.AddScript(script);
        foreach (object? argument in arguments) shell.AddArgument(argument);
        return shell;
    }

    /// <summary>Runs a script; a terminating error is the last of the errors.</summary>
    internal Result Run(string script, params object?[] arguments)
    {
        using PowerShell shell = Create(script, arguments);
        List<PSObject> output = [];
        List<ErrorRecord> errors = [];
        try
        {
            shell.Invoke(null, output);
            errors.AddRange(shell.Streams.Error);
        }
        catch (RuntimeException e)
        {
            errors.AddRange(shell.Streams.Error);
            errors.Add(e.ErrorRecord);
        }
        return new Result(output, errors, [.. shell.Streams.Warning.Select(w => w.Message)],
            [.. shell.Streams.Verbose.Select(w => w.Message)]);
    }

    public void Dispose() => Runspace.Dispose();

    internal sealed record Result(IReadOnlyList<PSObject> Output, IReadOnlyList<ErrorRecord> Errors,
        IReadOnlyList<string> Warnings, IReadOnlyList<string> Verbose)
    {
        internal IReadOnlyList<string> ErrorIds => [.. Errors.Select(e => e.FullyQualifiedErrorId.Split(',')[0])];

        internal IReadOnlyList<string> Text => [.. Output.Select(o => o.ToString())];
    }
}
