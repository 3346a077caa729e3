using System.Management.Automation;
using System.Management.Automation.Runspaces;
using Microsoft.PowerShell;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

/// <summary>
/// A runspace of the real engine with the laid out module imported. Not thread-safe, as a runspace is not.
/// </summary>
public sealed class ModuleSession : IDisposable
{
    public ModuleSession(RecordingHost? host = null, bool import = true)
    {
        Host = host ?? new RecordingHost();
        var state = InitialSessionState.CreateDefault2();
        if (OperatingSystem.IsWindows())
            state.ExecutionPolicy = ExecutionPolicy.Bypass;
        Runspace = RunspaceFactory.CreateRunspace(Host, state);
        Runspace.Open();
        if (import)
            Run("Import-Module -Name $args[0]", BuildLayout.Manifest).ThrowIfFailed();
    }

    public RecordingHost Host { get; }

    public Runspace Runspace { get; }

    /// <summary>
    /// Runs a script with <c>$args</c>, or the parameters that its <c>param()</c> block takes by position, and gives
    /// back everything that it wrote. A terminating error is in the result, not thrown.
    /// </summary>
    public ScriptResult Run(string script, params object?[] arguments)
    {
        using PowerShell shell = NewPowerShell(script, arguments);
        List<PSObject?> output = [];
        RuntimeException? terminating = null;
        try
        {
            shell.Invoke(null, output);
        }
        catch (RuntimeException caught)
        {
            terminating = caught;
        }

        return new ScriptResult
        {
            Output = output,
            Errors = [.. shell.Streams.Error],
            TerminatingError = terminating?.ErrorRecord,
            Warnings = [.. shell.Streams.Warning.Select(r => r.Message)],
            Verbose = [.. shell.Streams.Verbose.Select(r => r.Message)],
            Information = [.. shell.Streams.Information.Select(r => r.MessageData?.ToString() ?? "")],
            Progress = [.. shell.Streams.Progress],
        };
    }

    /// <summary>
    /// Runs a script as if it were typed at the prompt, and gives back the text that a person sees, 120 columns wide
    /// and without colours.
    /// </summary>
    public string Render(string script, params object?[] arguments)
    {
        Host.Clear();
        using PowerShell shell = NewPowerShell("$PSStyle.OutputRendering = 'PlainText'");
        shell.Invoke();
        using PowerShell typed = NewPowerShell(script, arguments);
        typed.AddCommand("Out-Default");
        typed.Commands.Commands[0].MergeMyResults(PipelineResultTypes.Error, PipelineResultTypes.Output);
        typed.Invoke();
        return Host.Text;
    }

    /// <summary>A pipeline that the test runs itself, for instance to stop it. The caller disposes it.</summary>
    public PowerShell NewPowerShell(string script, params object?[] arguments)
    {
        var shell = PowerShell.Create();
        shell.Runspace = Runspace;
        shell.AddScript(script);
        foreach (var argument in arguments)
            shell.AddArgument(argument);
        return shell;
    }

    public void Dispose() => Runspace.Dispose();
}
