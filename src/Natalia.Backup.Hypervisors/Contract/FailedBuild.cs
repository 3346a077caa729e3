using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Clears up behind the building of a VM that failed, without hiding why it failed.</summary>
internal static class FailedBuild
{
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
