using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Clears up behind the making of a test VM that failed, without hiding why it failed.</summary>
internal static class FailedTestVM
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(15);

    /// <summary>Destroys what there is of the VM.</summary>
    /// <param name="failure">Why the VM is not handed out.</param>
    /// <returns>Null when it is gone; else the failure, which says now that the VM may still be there.</returns>
    internal static async Task<NataliaException?> DestroyAsync(ITestVMControl control, TestVMInfo vm, Exception failure)
    {
        using var limit = new CancellationTokenSource(s_limit);
        try
        {
            await control.DestroyTestVMAsync(vm, limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception left)
        {
            var known = failure as NataliaException;
            string why = failure is OperationCanceledException
                ? $"The making of the test VM {vm.NativeId} was stopped."
                : failure.Message;
            return new NataliaException(known?.ErrorId ?? ErrorIds.TaskNotFinished,
                known?.Kind ?? NataliaErrorKind.InvalidOperation,
                $"{why} The VM {vm.NativeId} ('{vm.Name}') may still be there, because it could not be removed: "
                + left.Message,
                vm.NativeId, $"Look at VM {vm.NativeId} and remove it by hand. {known?.RecommendedAction}".TrimEnd(),
                new AggregateException(failure, left));
        }
    }
}
