using System.Management.Automation;
using System.Runtime.ExceptionServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Errors;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Pipeline;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>
/// What every cmdlet of the module stands on: a body that runs on the thread pool, and a pipeline thread that does for it what only it may do.
/// </summary>
/// <remarks>
/// <para>The body sends objects, errors, warnings, progress and questions; the pipeline thread delivers them in order. Ctrl-C only cancels the body's token: control returns to the user
/// when the body has ended, its clean-up included. The same holds when a later command of the pipeline has had enough (<c>Select-Object -First 1</c>), or an error is to stop everything.</para>
/// </remarks>
public abstract class NataliaCommand : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<ErrorRecord> _deferredErrors = [];
    private PipelineQueue? _queue;
    private ActiveCommands? _active;
    private SessionRegistry? _registry;
    private EvidenceBook? _evidence;
    private int _lastActivityId;
    private readonly HashSet<(Type, string)> _toldAway = [];
    private readonly HashSet<string> _takenOver = new(StringComparer.Ordinal);
    private bool _hadInput;
    private volatile bool _hasErrors;

    private protected NataliaCommand() { }

    /// <summary>The connections of the runspace that the command runs in.</summary>
    private protected SessionRegistry Registry => _registry!;

    private ActiveCommands Active => _active!;

    /// <summary>Keeps evidence of what is done in repositories that have no log of their own.</summary>
    private protected EvidenceBook Evidence => _evidence ??= new EvidenceBook(Registry, EmitWarning, DeferError);

    /// <summary>True for a command that makes one thing or nothing: its failure ends it, instead of the record that it happened with.</summary>
    private protected virtual bool FailsAsAWhole => false;

    /// <summary>
    /// For a command that protects, proves or gives back: what was not done when a pipeline brought nothing. That is an error then, since a filter that fits nothing must not pass for success.
    /// Null for commands that list, or take away, where nothing to do is as good as done.
    /// </summary>
    private protected virtual string? MissedWithoutInput => null;

    /// <summary>True when something went wrong that was, or will be, written as an error.</summary>
    private protected bool HasErrors => _hasErrors;

    /// <summary>Runs once, before the first input.</summary>
    private protected virtual Task BeginAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Takes an input on the pipeline thread when keeping it is all that is to be done before the end: a hundred thousand inputs then need no hundred thousand tasks.
    /// </summary>
    /// <returns>True when <see cref="ProcessAsync"/> need not run for this input.</returns>
    private protected virtual bool TryCollect() => false;

    /// <summary>Runs for each input.</summary>
    private protected virtual Task ProcessAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Runs once, after the last input.</summary>
    private protected virtual Task EndAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    protected sealed override void BeginProcessing()
    {
        // Here, on the pipeline thread: bodies run on threads that have no runspace.
        _registry = RunspaceSessions.ForCurrent();
        _active = ActiveCommands.OfCurrentRunspace();
        Active.Begin(this);
        Run(BeginAsync, failureEndsCommand: true);
    }

    /// <inheritdoc/>
    protected sealed override void ProcessRecord()
    {
        _hadInput = true;
        if (!TryCollect()) Run(ProcessAsync, FailsAsAWhole);
    }

    /// <inheritdoc/>
    protected sealed override void EndProcessing()
    {
        if (!_hadInput && _deferredErrors.Count == 0 && MissedWithoutInput is string missed)
            AddDeferred(new NataliaException(ErrorIds.NothingToDo, NataliaErrorKind.InvalidOperation, $"The pipeline brought nothing: {missed}.", recommendedAction: "Look at what the command before this one lists, and at the filters in between."));
        Run(EndAsync, failureEndsCommand: true);
        WriteDeferredErrors();
        Active.End(this);
    }

    /// <inheritdoc/>
    protected sealed override void StopProcessing()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Comes from another thread, and may come when the command has just ended by itself.
        }
    }

    /// <summary>Writes an object to the pipeline.</summary>
    private protected void Emit(object value) => Post(() => WriteObject(value, enumerateCollection: false));

    /// <summary>Writes many objects to the pipeline, one by one, with less ado.</summary>
    private protected void EmitAll(IReadOnlyCollection<object> values) => Post(() => WriteObject(values, enumerateCollection: true));

    /// <summary>Writes an error that does not end the command.</summary>
    private protected void EmitError(Exception exception, object? target = null) => EmitError(ErrorRecordFactory.Create(exception, target));

    /// <summary>Writes an error that does not end the command.</summary>
    private protected void EmitError(ErrorRecord error)
    {
        _hasErrors = true;
        Post(() => WriteOrPassOn(error));
    }

    /// <summary>Keeps an error until everything else is done, so that even <c>-ErrorAction Stop</c> lets the rest run.</summary>
    private protected void DeferError(Exception exception, object? target = null) => EmitVerbose(AddDeferred(exception, target).Exception.Message);

    /// <summary>An error at the end, for a command that looks at everything: what the profile names and could not be connected was not looked at.</summary>
    private protected void DeferAway<T>(SessionTable<T> table) where T : class, IConnection
    {
        foreach (AwayConnection away in table.Away)
        {
            if (_toldAway.Add((typeof(T), away.Name))) DeferError(table.Missing(away), away.Name);
        }
    }

    /// <summary>Writes a warning.</summary>
    private protected void EmitWarning(string text) => Post(() => WriteWarning(DisplayText.Clean(text)));

    /// <summary>Writes a warning that must reach a person even when the pipeline was stopped: something was left behind.</summary>
    private protected void EmitLeftover(string text) => Post(() => WriteWarning(DisplayText.Clean(text)), () => Host?.UI?.WriteWarningLine(DisplayText.Clean(text)));

    /// <summary>Writes a verbose message.</summary>
    private protected void EmitVerbose(string text) => Post(() => WriteVerbose(DisplayText.Clean(text)));

    /// <summary>Asks whether to make a change, on the pipeline thread.</summary>
    /// <param name="target">What would be changed.</param>
    /// <param name="action">How.</param>
    private protected Task<bool> ShouldProcessAsync(string target, string action) => Ask(() => ShouldProcess(DisplayText.CleanLine(target), DisplayText.Clean(action)), failureEndsCommand: true);

    /// <summary>Runs something on the pipeline thread; for what needs the session's state, such as paths and script blocks.</summary>
    private protected Task<T> OnPipelineAsync<T>(Func<T> function) => Ask(function, failureEndsCommand: false);

    /// <summary>A bar on the progress display. Dispose it when the activity has ended.</summary>
    /// <param name="activity">What is going on, and with what.</param>
    /// <param name="parentId">The number of the bar above it, or -1.</param>
    private protected ProgressReporter StartProgress(string activity, int parentId = -1) =>
        new(SendProgress, TimeProvider.System, Interlocked.Increment(ref _lastActivityId), parentId, activity);

    /// <summary>True when the user gave the parameter, whatever its value.</summary>
    private protected bool IsBound(string parameterName) => MyInvocation.BoundParameters.ContainsKey(parameterName);

    /// <summary>True when the user wants to see what would be done.</summary>
    private protected bool IsWhatIf() => MyInvocation.BoundParameters.TryGetValue("WhatIf", out object? bound) ? bound is SwitchParameter { IsPresent: true } || bound is true
        : LanguagePrimitives.IsTrue(SessionState.PSVariable.GetValue("WhatIfPreference"));

    /// <summary>True when ShouldProcess has asked already, or the user wants no questions: for what is asked only where the preference is the usual one, High.</summary>
    private protected bool HasAnswered()
    {
        if (IsBound("Confirm")) return true;
        return LanguagePrimitives.TryConvertTo(GetVariableValue("ConfirmPreference"), out ConfirmImpact preference) && preference != ConfirmImpact.High;
    }

    /// <summary>Releases what the command holds.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the command holds.</summary>
    /// <param name="disposing">True when called from <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        _active?.End(this);
        _stop.Dispose();
    }

    private ErrorRecord AddDeferred(Exception exception, object? target = null)
    {
        ErrorRecord error = ErrorRecordFactory.Create(exception, target);
        // A command before this one in the pipeline may have met the same trouble.
        lock (_deferredErrors)
        {
            if (!_takenOver.Contains(error.Exception.Message)) _deferredErrors.Add(error);
        }
        _hasErrors = true;
        return error;
    }

    private void SendProgress(ProgressRecord record, bool mustArrive)
    {
        var message = new PipelineMessage(() => WriteProgress(record));
        if (mustArrive) _queue?.Post(message);
        else _queue?.TryPost(message);
    }

    private void Post(Action run, Action? abandon = null) => _queue?.Post(new PipelineMessage(run, abandon));

    private Task<T> Ask<T>(Func<T> function, bool failureEndsCommand)
    {
        // Asynchronous continuations: otherwise the body would go on on the pipeline thread.
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Run()
        {
            try
            {
                answer.TrySetResult(function());
            }
            catch (Exception e) when (failureEndsCommand || e is PipelineStoppedException)
            {
                // Cancelled first, so that the body, when it goes on, knows why it got no answer.
                _stop.Cancel();
                answer.TrySetCanceled();
                throw;
            }
            catch (Exception e)
            {
                answer.TrySetException(e);
            }
        }
        var message = new PipelineMessage(Run, () => answer.TrySetCanceled());
        if (_queue?.Post(message) != true) answer.TrySetCanceled();
        return answer.Task;
    }

    private void Run(Func<CancellationToken, Task> body, bool failureEndsCommand)
    {
        var queue = new PipelineQueue();
        _queue = queue;
        CancellationToken token = _stop.Token;
        Task task = Task.Run(async () =>
        {
            try
            {
                await body(token).ConfigureAwait(false);
            }
            finally
            {
                queue.Close();
            }
        }, CancellationToken.None);

        ExceptionDispatchInfo? refusal = Drain(queue);
        Exception? failure = Await(task);
        refusal?.Throw();
        // Ctrl-C makes many things fail; the user knows why, and nothing can be written any more.
        if (Stopping) throw new PipelineStoppedException();
        if (failure is null) return;
        _hasErrors = true;
        ErrorRecord error = ErrorRecordFactory.Create(failure);
        if (failureEndsCommand)
        {
            WriteDeferredErrorsAsWarnings();
            ThrowTerminatingError(error);
        }
        WriteOrPassOn(error);
    }

    /// <summary>
    /// Writes an error now; or, where it would end a pipeline in which a command of this module comes later, leaves it to that command's end: the failure of one must not keep the others from being protected.
    /// </summary>
    private void WriteOrPassOn(ErrorRecord error)
    {
        if (FirstErrorStops() && Active.Behind(this) is NataliaCommand behind) behind.TakeOver(error);
        else WriteError(error);
    }

    private void TakeOver(ErrorRecord error)
    {
        lock (_deferredErrors)
        {
            if (_takenOver.Add(error.Exception.Message)) _deferredErrors.Add(error);
        }
        _hasErrors = true;
    }

    /// <summary>Delivers until the body has ended. The first message that the pipeline refuses cancels the body; what follows is abandoned, but still taken, so that nobody waits for ever.</summary>
    private ExceptionDispatchInfo? Drain(PipelineQueue queue)
    {
        ExceptionDispatchInfo? refusal = null;
        while (queue.TryTake(out PipelineMessage? message))
        {
            if (refusal is not null)
            {
                message.Abandon();
                continue;
            }
            try
            {
                message.Run();
            }
            catch (Exception e)
            {
                refusal = ExceptionDispatchInfo.Capture(e);
                _stop.Cancel();
                message.Abandon();
            }
        }
        return refusal;
    }

    private static Exception? Await(Task task)
    {
        try
        {
            task.GetAwaiter().GetResult();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    private void WriteDeferredErrors()
    {
        if (_deferredErrors.Count == 0) return;
        List<ErrorRecord> errors = [.. _deferredErrors];
        _deferredErrors.Clear();
        if (FirstErrorStops() && Active.Behind(this) is NataliaCommand behind)
        {
            foreach (ErrorRecord error in errors) behind.TakeOver(error);
            return;
        }
        if (errors.Count > 1 && FirstErrorStops())
        {
            // The first error will end the pipeline; the others would never be seen.
            foreach (ErrorRecord error in errors.Skip(1)) WriteWarning(error.Exception.Message);
        }
        foreach (ErrorRecord error in errors) WriteError(error);
    }

    private void WriteDeferredErrorsAsWarnings()
    {
        foreach (ErrorRecord error in _deferredErrors) WriteWarning(error.Exception.Message);
        _deferredErrors.Clear();
    }

    private bool FirstErrorStops()
    {
        object? preference = MyInvocation.BoundParameters.TryGetValue("ErrorAction", out object? bound) ? bound : SessionState.PSVariable.GetValue("ErrorActionPreference");
        return LanguagePrimitives.TryConvertTo(preference, out ActionPreference action) && action == ActionPreference.Stop;
    }
}
