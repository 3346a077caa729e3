namespace Natalia.Backup.Operations.Output;

/// <summary>
/// Where an operation sends what it made and what it has to say, while it goes on. All members may be called from any
/// thread.
/// </summary>
internal interface IOperationOutput
{
    /// <summary>Takes a result.</summary>
    void Emit(object result);

    /// <summary>Takes a failure, which is told when everything else is done.</summary>
    /// <param name="failure">What happened.</param>
    /// <param name="target">What it is about.</param>
    void Fail(Exception failure, object? target);

    /// <summary>Takes a warning.</summary>
    void Warn(string text);

    /// <summary>Takes a warning that must reach a person also when the user has stopped everything.</summary>
    void WarnInAnyCase(string text);

    /// <summary>Takes what only who wants details is told.</summary>
    void Tell(string text);

    /// <summary>Begins an activity whose progress is shown.</summary>
    /// <param name="what">What is going on, and with what.</param>
    IActivity Begin(string what);
}
