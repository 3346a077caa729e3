using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Errors;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Operations.Output;
using Natalia.Backup.Pipeline;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>
/// What every cmdlet of the module stands on: a body that runs on the thread pool, and a pipeline thread that does for
/// it what only it may do.
/// </summary>
/// <remarks>
/// <para>The body sends objects, errors, warnings, progress and questions; the pipeline thread delivers them in order.
/// Ctrl-C only cancels the body's token: control returns to the user when the body has ended, its clean-up included.
/// The same holds when a later command of the pipeline has had enough (<c>Select-Object -First 1</c>), or an error is
/// to stop everything.</para>
/// </remarks>
public abstract class NataliaCommand : PSCmdlet, IOperationOutput, IDisposable
{
    private readonly PipelineBridge _bridge = new();
    private readonly DeferredErrors _deferredErrors = new();
    private ActiveCommands? _active;
    private SessionRegistry? _registry;
    private EvidenceBook? _evidence;
    private int _lastActivityId;
    private readonly HashSet<(Type, string)> _toldAway = [];
    private HashSet<string> _said = [];
    private bool _hadInput;
    private volatile bool _hasErrors;

    private protected NataliaCommand() { }

    /// <summary>The connections of the runspace that the command runs in.</summary>
    private protected SessionRegistry Registry => _registry!;

    private ActiveCommands Active => _active!;

    /// <summary>Keeps evidence of what is done in repositories that have no log of their own.</summary>
    private protected EvidenceBook Evidence => _evidence ??= new EvidenceBook(Registry, EmitWarning, DeferError);

    /// <summary>
    /// True for a command that makes one thing or nothing: its failure ends it, instead of the record that it happened
    /// with.
    /// </summary>
    private protected virtual bool FailsAsAWhole => false;

    /// <summary>
    /// For a command that protects, proves, gives back or sets what is to hold: what was not done when a pipeline
    /// brought nothing. That is an error then, since a filter that fits nothing must not pass for success. Null for
    /// commands that list, or take away, where nothing to do is as good as done.
    /// </summary>
    private protected virtual string? MissedWithoutInput => null;

    /// <summary>True when something went wrong that was, or will be, written as an error.</summary>
    private protected bool HasErrors => _hasErrors;

    /// <summary>Runs once, before the first input.</summary>
    private protected virtual Task BeginAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Takes an input on the pipeline thread when keeping it is all that is to be done before the end: a hundred
    /// thousand inputs then need no hundred thousand tasks.
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
        _said = [.. MyInvocation.BoundParameters.Keys];
        Active.Begin(this);
        Run(BeginAsync, failureEndsCommand: true);
    }

    /// <inheritdoc/>
    protected sealed override void ProcessRecord()
    {
        _hadInput = true;
        if (!TryCollect()) Run(ProcessAsync, FailsAsAWhole);
        ForgetPiped();
    }

    /// <summary>
    /// What this object bound is not bound for the next one: PowerShell gives the parameters back their defaults, and
    /// yet goes on to list them as bound.
    /// </summary>
    private void ForgetPiped()
    {
        Dictionary<string, object> bound = MyInvocation.BoundParameters;
        if (bound.Count <= _said.Count) return;
        foreach (string piped in bound.Keys.Where(k => !_said.Contains(k)).ToList()) bound.Remove(piped);
    }

    /// <inheritdoc/>
    protected sealed override void EndProcessing()
    {
        // Also where something further to the front was told to have failed: only this command's own error reaches who
        // gave it alone -ErrorAction Stop or -ErrorVariable.
        if (!_hadInput && _deferredErrors.IsEmpty && MissedWithoutInput is string missed)
            AddDeferred(new NataliaException(ErrorIds.NothingToDo, NataliaErrorKind.InvalidOperation,
                $"The pipeline brought nothing: {missed}.",
                recommendedAction: "Look at what the command before this one lists, and at the filters in between."));
        Run(EndAsync, failureEndsCommand: true);
        WriteDeferredErrors();
        Active.End(this);
    }

    /// <inheritdoc/>
    protected sealed override void StopProcessing() => _bridge.Stop();

    /// <summary>Writes an object to the pipeline.</summary>
    private protected void Emit(object value) => _bridge.Post(() => WriteObject(value, enumerateCollection: false));

    /// <summary>Writes many objects to the pipeline, one by one, with less ado.</summary>
    private protected void EmitAll(IReadOnlyCollection<object> values) =>
        _bridge.Post(() => WriteObject(values, enumerateCollection: true));

    /// <summary>Writes an error that does not end the command.</summary>
    private protected void EmitError(Exception exception, object? target = null) =>
        EmitError(Tell(exception, target));

    /// <summary>Writes an error that does not end the command.</summary>
    private protected void EmitError(ErrorRecord error)
    {
        _hasErrors = true;
        _bridge.Post(() => WriteOrPassOn(error));
    }

    /// <summary>
    /// Keeps an error until everything else is done, so that even <c>-ErrorAction Stop</c> lets the rest run.
    /// </summary>
    private protected void DeferError(Exception exception, object? target = null) =>
        EmitVerbose(AddDeferred(exception, target).Exception.Message);

    /// <summary>
    /// An error at the end, for a command that looks at everything: what the profile names and could not be connected
    /// was not looked at.
    /// </summary>
    private protected void DeferAway<T>(SessionTable<T> table) where T : class, IConnection
    {
        foreach (AwayConnection away in table.Away)
        {
            if (_toldAway.Add((typeof(T), away.Name))) DeferError(table.Missing(away), away.Name);
        }
    }

    /// <summary>Writes a warning.</summary>
    private protected void EmitWarning(string text) =>
        _bridge.Post(() => WriteWarning(DisplayText.Clean(ParameterWords.Complete(text, GetType()))));

    /// <summary>
    /// Writes a warning that must reach a person even when the pipeline was stopped: something was left behind.
    /// </summary>
    private protected void EmitLeftover(string text) =>
        _bridge.Post(() => WriteWarning(DisplayText.Clean(text)),
            () => Host?.UI?.WriteWarningLine(DisplayText.Clean(text)));

    /// <summary>Writes a verbose message.</summary>
    private protected void EmitVerbose(string text) => _bridge.Post(() => WriteVerbose(DisplayText.Clean(text)));

    /// <summary>Asks whether to make a change, on the pipeline thread.</summary>
    /// <param name="target">What would be changed.</param>
    /// <param name="action">How.</param>
    /// <remarks>
    /// Where a question has to be asked and nobody can answer, the command ends with <c>NotConfirmed</c>.
    /// </remarks>
    private protected Task<bool> ShouldProcessAsync(string target, string action) =>
        _bridge.AskAsync(() => Confirm(DisplayText.CleanLine(target), DisplayText.Clean(action)), _ => true);

    private bool Confirm(string target, string action)
    {
        try
        {
            return HostQuestion.Ask(() => ShouldProcess(target, action),
                silent => new NataliaException(ErrorIds.NotConfirmed, NataliaErrorKind.InvalidOperation,
                    $"'{action}' was not done on '{target}': it has to be confirmed, and nobody is here to do that.",
                    target, "Say -Confirm:$false where that is meant. -WhatIf shows what would be done.", silent));
        }
        catch (NataliaException nobody)
        {
            ThrowTerminatingError(Tell(nobody, target));
            throw;
        }
    }

    /// <summary>
    /// Runs something on the pipeline thread; for what needs the session's state, such as paths and script blocks.
    /// </summary>
    private protected Task<T> OnPipelineAsync<T>(Func<T> function) =>
        _bridge.AskAsync(function, e => e is PipelineStoppedException);

    /// <summary>A bar on the progress display. Dispose it when the activity has ended.</summary>
    /// <param name="activity">What is going on, and with what.</param>
    /// <param name="parentId">The number of the bar above it, or -1.</param>
    private protected ProgressReporter StartProgress(string activity, int parentId = -1) =>
        new(SendProgress, TimeProvider.System, Interlocked.Increment(ref _lastActivityId), parentId, activity);

    void IOperationOutput.Emit(object result) => Emit(result);

    void IOperationOutput.Fail(Exception failure, object? target) => DeferError(failure, target);

    void IOperationOutput.Warn(string text) => EmitWarning(text);

    void IOperationOutput.WarnInAnyCase(string text) => EmitLeftover(text);

    void IOperationOutput.Tell(string text) => EmitVerbose(text);

    IActivity IOperationOutput.Begin(string what) => StartProgress(what);

    /// <summary>
    /// True when the user gave the parameter, or the object that was piped in just now did, whatever its value.
    /// </summary>
    private protected bool IsBound(string parameterName) => MyInvocation.BoundParameters.ContainsKey(parameterName);

    /// <summary>True when the user gave the parameter itself, and no piped object did.</summary>
    private protected bool IsSaid(string parameterName) => _said.Contains(parameterName);

    /// <summary>
    /// The repository that is meant: the one that the user named, else the one that a piped object came from; null
    /// where neither says one.
    /// </summary>
    /// <param name="repository">The parameter -Repository, which piped objects may bind.</param>
    /// <param name="repositoryId">The id that came with a piped object.</param>
    private protected string? RepositoryMeant(string? repository, string? repositoryId) =>
        repository is { Length: > 0 } && IsSaid("Repository")
            ? repository
            : Registry.Repositories.Refer(repository, repositoryId);

    /// <summary>True when the user wants to see what would be done.</summary>
    private protected bool IsWhatIf() =>
        MyInvocation.BoundParameters.TryGetValue("WhatIf", out object? bound)
            ? bound is SwitchParameter { IsPresent: true } || bound is true
        : LanguagePrimitives.IsTrue(SessionState.PSVariable.GetValue("WhatIfPreference"));

    /// <summary>
    /// True when ShouldProcess has asked already, or the user wants no questions: for what is asked only where the
    /// preference is the usual one, High.
    /// </summary>
    private protected bool HasAnswered()
    {
        if (IsBound("Confirm")) return true;
        return LanguagePrimitives.TryConvertTo(GetVariableValue("ConfirmPreference"), out ConfirmImpact preference)
            && preference != ConfirmImpact.High;
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
        _bridge.Dispose();
    }

    private ErrorRecord Tell(Exception exception, object? target = null) =>
        ErrorRecordFactory.Create(
            ErrorWords.Complete(ErrorRecordFactory.Known(exception), target, GetType(), _registry), target);

    private ErrorRecord AddDeferred(Exception exception, object? target = null)
    {
        ErrorRecord error = Tell(exception, target);
        _deferredErrors.Add(error);
        _hasErrors = true;
        return error;
    }

    private void SendProgress(ProgressRecord record, bool mustArrive)
    {
        if (mustArrive) _bridge.Post(() => WriteProgress(record));
        else _bridge.TryPost(() => WriteProgress(record));
    }

    private void Run(Func<CancellationToken, Task> body, bool failureEndsCommand)
    {
        Exception? failure = _bridge.Run(body);
        // Ctrl-C makes many things fail; the user knows why, and nothing can be written any more.
        if (Stopping) throw new PipelineStoppedException();
        if (failure is null) return;
        _hasErrors = true;
        ErrorRecord error = Tell(failure);
        if (failureEndsCommand)
        {
            foreach (ErrorRecord deferred in _deferredErrors.TakeAll()) WriteWarning(deferred.Exception.Message);
            ThrowTerminatingError(error);
        }
        WriteOrPassOn(error);
    }

    /// <summary>
    /// Writes an error now; or, where it would end a pipeline in which a command of this module comes later, leaves it
    /// to that command's end: the failure of one must not keep the others from being protected.
    /// </summary>
    private void WriteOrPassOn(ErrorRecord error)
    {
        if (FirstErrorStops() && Active.Behind(this) is NataliaCommand behind) behind.TakeOver(error);
        else WriteError(error);
    }

    private void TakeOver(ErrorRecord error)
    {
        _deferredErrors.TakeOver(error);
        _hasErrors = true;
    }

    private void WriteDeferredErrors()
    {
        IReadOnlyList<ErrorRecord> errors = _deferredErrors.TakeAll();
        if (errors.Count == 0) return;
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

    private bool FirstErrorStops()
    {
        object? preference = MyInvocation.BoundParameters.TryGetValue("ErrorAction", out object? bound)
            ? bound
            : SessionState.PSVariable.GetValue("ErrorActionPreference");
        return LanguagePrimitives.TryConvertTo(preference, out ActionPreference action)
            && action == ActionPreference.Stop;
    }
}
