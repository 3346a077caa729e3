using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Clears up behind the building of a VM that failed, without hiding why it failed.</summary>
internal static class FailedBuild
{
    /// <summary>An unfinished VM that somebody has taken into use, and that is left alone.</summary>
    /// <param name="nativeId">The hypervisor's id of it.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="why">What says so, in the third person.</param>
    /// <param name="record">What it bears of its building, and where, as in "the line x from its notes".</param>
    internal static NataliaException InUse(string nativeId, string name, string why, string record) =>
        new(ErrorIds.NotAnUnfinishedAppliance, NataliaErrorKind.Security,
            $"The VM {nativeId} ('{name}') carries the record of a building that did not end, and was left alone: "
            + $"{why}. If it is yours, remove {record}; else remove the VM by hand.", nativeId,
            "Look at it, and decide whose it is.");

    /// <summary>Removes what there is of the VM.</summary>
    /// <param name="vm">The VM.</param>
    /// <param name="name">What it would have been called.</param>
    /// <param name="failure">Why the building ends.</param>
    /// <returns>Null when nothing is left; else the failure, which says now that something may be.</returns>
    internal static Task<NataliaException?> RemoveAsync(IApplianceUnderConstruction vm, string name,
        Exception failure) =>
        RemoveAsync(() => vm.DisposeAsync().AsTask(), name, vm.NativeId, failure);

    /// <summary>Removes what there is of a VM that was not handed over yet.</summary>
    /// <param name="remove">Removes it.</param>
    /// <param name="name">What it would have been called.</param>
    /// <param name="nativeId">The hypervisor's id of it; null when that is not known.</param>
    /// <param name="failure">Why the building ends.</param>
    /// <returns>Null when nothing is left; else the failure, which says now that something may be.</returns>
    internal static async Task<NataliaException?> RemoveAsync(Func<Task> remove, string name, string? nativeId,
        Exception failure)
    {
        try
        {
            await remove().ConfigureAwait(false);
            return null;
        }
        catch (Exception left)
        {
            var known = failure as NataliaException;
            string why = failure is OperationCanceledException
                ? $"The building of the VM '{name}' was stopped."
                : failure.Message;
            return new NataliaException(known?.ErrorId ?? ErrorIds.TaskNotFinished,
                known?.Kind ?? NataliaErrorKind.InvalidOperation,
                $"{why} What was made of the VM '{name}'{(nativeId is null ? "" : $" ({nativeId})")} may still be "
                + $"there, because it could not be removed: {left.Message}",
                nativeId ?? name, $"The next restore there tries again. {known?.RecommendedAction}".TrimEnd(),
                new AggregateException(failure, left));
        }
    }
}
