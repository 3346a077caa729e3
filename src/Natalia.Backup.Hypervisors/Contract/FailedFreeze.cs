using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Tells what a snapshot that failed has left, without hiding why it failed.</summary>
internal static class FailedFreeze
{
    /// <summary>The failure, which says now that something may be left.</summary>
    /// <param name="failure">Why it failed, or that it was stopped.</param>
    /// <param name="left">Why it could not be cleared up.</param>
    /// <param name="what">What was being made, as in "the snapshot of 'paris'".</param>
    /// <param name="target">The VM.</param>
    /// <param name="stays">What is left: a sentence.</param>
    /// <param name="action">What becomes of it, or what to do: a sentence.</param>
    internal static NataliaException Tell(Exception failure, Exception left, string what, string target, string stays,
        string action)
    {
        var known = failure as NataliaException;
        string why = failure is OperationCanceledException ? $"The making of {what} was stopped." : failure.Message;
        return new NataliaException(known?.ErrorId ?? ErrorIds.TaskNotFinished,
            known?.Kind ?? NataliaErrorKind.InvalidOperation, $"{why} {stays}", known?.Target ?? target,
            $"{action} {known?.RecommendedAction}".TrimEnd(), new AggregateException(failure, left));
    }
}
