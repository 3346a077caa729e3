using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using Microsoft.PowerShell;
using Natalia.Backup.Host.Commands;
using Natalia.Backup.Host.Screen;

namespace Natalia.Backup.Host;

/// <summary>The PowerShell engine with the module imported. Commands run one after the other; <see cref="Stop"/> may come from any thread.</summary>
internal sealed class Engine : IDisposable
{
    private readonly Terminal _terminal;
    private readonly EngineHost _host;
    private readonly object _gate = new();
    private readonly HashSet<string> _hints = [];
    private Runspace? _runspace;
    private Pipeline? _running;
    private bool _leaving;

    public Engine(Terminal terminal)
    {
        _terminal = terminal;
        _host = new EngineHost(terminal);
    }

    public Runspace Runspace => _runspace ?? throw new InvalidOperationException("The engine was not started.");

    /// <summary>True while a person types at the prompt or runs commands from there.</summary>
    public bool AtPrompt { get; set; }

    /// <summary>What 'exit' said, or null while nobody said it.</summary>
    public int? Exit => _host.Exit;

    /// <summary>A signal or 'exit' asked the process to end.</summary>
    public bool Leaving => _leaving || Exit is not null;

    /// <summary>Opens the engine and imports the module. What goes wrong is shown.</summary>
    public bool Start()
    {
        PSStyle.Instance.OutputRendering = _terminal.Coloured ? OutputRendering.Host : OutputRendering.PlainText;
        var state = InitialSessionState.CreateDefault2();
        StandIns.AddTo(state);
        if (OperatingSystem.IsWindows())
            state.ExecutionPolicy = ExecutionPolicy.RemoteSigned;
        state.ImportPSModule([ModuleFolder.Manifest]);
        state.ThrowOnRunspaceOpenError = true;

        _runspace = RunspaceFactory.CreateRunspace(_host, state);
        try
        {
            _runspace.Open();
        }
        catch (RuntimeException error)
        {
            _terminal.WriteErrorLine($"natalia: the module could not be imported from '{ModuleFolder.Manifest}'. {error.Message}");
            return false;
        }

        Runspace.DefaultRunspace = _runspace;
        return true;
    }

    /// <summary>Runs a script file and gives the exit code.</summary>
    public int RunFile(string path, IReadOnlyList<CommandParameter> arguments)
    {
        var command = new Command(path, isScript: false, useLocalScope: false);
        foreach (var argument in arguments)
            command.Parameters.Add(argument);
        EngineInternals.LetExitThrough(Runspace);
        return Run(command) switch
        {
            Outcome.Ended => Exit ?? ExitCodes.Success,
            _ => Exit ?? ExitCodes.Failure,
        };
    }

    /// <summary>Runs commands and gives the exit code: 1 also when the last of them failed.</summary>
    public int RunText(string text)
    {
        // Without a place in the history the engine would not keep $? either.
        var outcome = Run(Runspace.CreatePipeline(text, addToHistory: true));
        return Exit ?? (outcome == Outcome.Ended && LastSucceeded() ? ExitCodes.Success : ExitCodes.Failure);
    }

    /// <summary>Runs what was typed at the prompt.</summary>
    public void RunTyped(string text) => Run(Runspace.CreatePipeline(text, addToHistory: true));

    /// <summary>Evaluates a script without showing anything; errors count as no result.</summary>
    public IReadOnlyList<PSObject> Evaluate(string script)
    {
        using var pipeline = Runspace.CreatePipeline(script);
        try
        {
            return pipeline.Invoke();
        }
        catch (RuntimeException)
        {
            return [];
        }
    }

    /// <summary>Stops what runs. It returns at once; the run itself returns when its clean-up is done.</summary>
    /// <param name="leave">Nothing more is started afterwards.</param>
    public void Stop(bool leave)
    {
        lock (_gate)
        {
            _leaving |= leave;
            _terminal.CancelQuestion();
            if (_running is { PipelineStateInfo.State: PipelineState.Running } running)
            {
                _terminal.Note("Stopping; waiting for clean-up to finish ...");
                running.StopAsync();
            }
        }
    }

    public void Dispose()
    {
        _terminal.EndProgress();
        _runspace?.Dispose();
    }

    private enum Outcome
    {
        Ended,
        Failed,
        Stopped,
    }

    private Outcome Run(Command command)
    {
        var pipeline = Runspace.CreatePipeline();
        pipeline.Commands.Add(command);
        return Run(pipeline);
    }

    private Outcome Run(Pipeline pipeline)
    {
        using var _ = pipeline;
        // Errors go with the output, so that the formatter shows both in their order.
        var show = new Command("Out-Default", isScript: false, useLocalScope: true)
        {
            MergeUnclaimedPreviousCommandResults = PipelineResultTypes.Error | PipelineResultTypes.Output,
        };
        pipeline.Commands.Add(show);
        lock (_gate)
        {
            if (_leaving)
                return Outcome.Stopped;
            _terminal.ArmQuestions();
            _running = pipeline;
        }

        try
        {
            pipeline.Invoke();
            return Outcome.Ended;
        }
        catch (PipelineStoppedException)
        {
            return Outcome.Stopped;
        }
        catch (RuntimeException error)
        {
            Show(error);
            return Outcome.Failed;
        }
        finally
        {
            lock (_gate)
                _running = null;
            _terminal.EndProgress();
            Hint();
        }
    }

    /// <summary>Shows the error that ended a run, as the engine formats it.</summary>
    private void Show(RuntimeException error)
    {
        var record = error.ErrorRecord;
        using var pipeline = Runspace.CreatePipeline();
        pipeline.Input.Write(record);
        pipeline.Input.Close();
        pipeline.Commands.Add(new Command("Out-Default", isScript: false, useLocalScope: true));
        try
        {
            using (_terminal.OutputAsErrors())
                pipeline.Invoke();
        }
        catch (RuntimeException)
        {
            // The view of the error failed; the message itself is what must not be lost.
            _terminal.WriteErrorLine(error.Message);
        }
    }

    private bool LastSucceeded() => Runspace.SessionStateProxy.GetVariable("?") is not false;

    /// <summary>Says once for each command that pwsh has and the runner has not why it was not found.</summary>
    private void Hint()
    {
        if (Runspace.SessionStateProxy.GetVariable("Error") is not IEnumerable errors)
            return;
        foreach (var hint in errors.OfType<ErrorRecord>().Select(StandIns.Hint).OfType<string>())
        {
            if (_hints.Add(hint))
                _terminal.Note(hint);
        }
    }

}
