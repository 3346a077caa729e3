using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Snapshots;

/// <summary>Makes snapshots of ours and removes them. Those of others are never touched.</summary>
internal sealed class SnapshotService(IVimService vim)
{
    /// <summary>In minutes; what vSphere takes is from 5 to 240.</summary>
    private const int QuiesceMinutes = 10;

    /// <summary>A merge of much takes hours; the server goes on with it when nobody waits.</summary>
    internal static readonly TimeSpan RemovalLimit = TimeSpan.FromMinutes(9);

    private static readonly TimeSpan s_creationLimit = TimeSpan.FromMinutes(QuiesceMinutes + 5);

    /// <summary>How long the end of a snapshot is waited for that the server could not be stopped at.</summary>
    private static readonly TimeSpan s_comingLimit = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);
    private const int BusyAttempts = 40;
    private static readonly TimeSpan s_busyPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_lookAgain = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Makes a snapshot. When this fails nothing is left of it, as far as the server can be reached; what comes later
    /// all the same bears the mark.
    /// </summary>
    /// <param name="machine">The VM.</param>
    /// <param name="mark">What it bears.</param>
    /// <param name="isQuiesced">Whether the guest is asked to put its data in order.</param>
    /// <param name="includesMemory">Whether the memory is kept.</param>
    /// <param name="limit">How long it may take; null for as long as is usual.</param>
    /// <param name="progress">Told the percent, or null.</param>
    /// <param name="isClearedAgain">Whether the caller removes what bears the mark once more, and tells itself what
    /// could not be removed; else the failure tells it.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>QuiesceFailed</c> and what the server refuses. A
    /// <see cref="SnapshotStillComesException"/>: the server would not stop, and still makes it.</exception>
    internal async Task<VimReference> CreateAsync(VirtualMachine machine, SnapshotMark mark, bool isQuiesced,
        bool includesMemory, TimeSpan? limit, IProgress<int>? progress, bool isClearedAgain,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        XElement?[] arguments =
        [
            VimXml.Element("name", mark.Name),
            VimXml.Element("description", mark.ToDescription()),
            VimXml.Element("memory", includesMemory),
            isQuiesced
                ? VimXml.Typed("quiesceSpec", "VirtualMachineGuestQuiesceSpec",
                    VimXml.Element("timeout", QuiesceMinutes))
                : null,
        ];
        VimReference? task = null;
        try
        {
            task = await vim.BeginTaskAsync(machine.Reference, "CreateSnapshotEx_Task", arguments,
                cancellationToken).ConfigureAwait(false);
            XElement? made = await vim.WaitTaskAsync(task,
                new VimTaskOptions(limit ?? s_creationLimit, $"the snapshot of '{machine.Name}'", progress),
                cancellationToken).ConfigureAwait(false);
            return VimXml.ReferenceOf(made)
                ?? (await FindAsync(machine.Reference, mark.RunId, cancellationToken).ConfigureAwait(false))?.Reference
                ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"The server made a snapshot of '{machine.Name}' and does not say which.", machine.Name);
        }
        catch (Exception failure)
        {
            // A task that ended with a fault of its own makes nothing any more.
            if (task is not null && failure is not VimFaultException
                && await AwaitEndAsync(task, machine, mark, failure).ConfigureAwait(false)
                    is SnapshotStillComesException coming)
                throw coming;
            if (await ClearAsync(machine, mark, failure).ConfigureAwait(false) is NataliaException left
                && !isClearedAgain)
                throw left;
            throw;
        }
    }

    /// <summary>A failure that left something: the snapshot, or what the server did not merge of it.</summary>
    /// <param name="name">The VM's name.</param>
    /// <param name="mark">What the snapshot bears.</param>
    /// <param name="failure">What failed, or was stopped.</param>
    /// <param name="left">Why it could not be cleared up.</param>
    internal static NataliaException NotCleared(string name, SnapshotMark mark, Exception failure, Exception left)
    {
        string what = $"the snapshot of '{name}'";
        // These say themselves that the snapshot goes or is gone, and what is left then.
        if (left is NataliaException { ErrorId: ErrorIds.ConsolidationNeeded or ErrorIds.MergeNotFinished } merge)
            return FailedFreeze.Tell(failure, left, what, name, merge.Message, merge.RecommendedAction ?? "");
        return FailedFreeze.Tell(failure, left, what, name,
            $"The snapshot '{mark.Name}' may still be there, because it could not be removed: {left.Message}",
            mark.IsBackup ? "The next backup removes it." : "Remove it with Remove-NataliaSnapshot.");
    }

    /// <summary>
    /// Removes the snapshots that bear a mark; none is as good. Says when the server still merges, or has left
    /// something to merge.
    /// </summary>
    /// <exception cref="NataliaException"><c>MergeNotFinished</c>, <c>ConsolidationNeeded</c>, and what the server
    /// refuses.</exception>
    internal async Task RemoveAsync(VimReference machine, string name, string runId,
        CancellationToken cancellationToken)
    {
        var removed = new HashSet<VimReference>();
        while (await FindAsync(machine, runId, cancellationToken).ConfigureAwait(false) is SnapshotNode found)
        {
            if (!removed.Add(found.Reference))
                throw new NataliaException(ErrorIds.ServerError, NataliaErrorKind.InvalidOperation,
                    $"The server says that the snapshot '{found.Name}' of '{name}' is removed, and still has it.",
                    name, "See the VM's snapshots and tasks.");
            await RemoveAsync(name, found.Reference, cancellationToken).ConfigureAwait(false);
        }
        if (removed.Count == 0) return;
        VirtualMachine? now = await VirtualMachine.ReadAsync(vim, machine, cancellationToken).ConfigureAwait(false);
        if (now is { NeedsConsolidation: true })
            throw new NataliaException(ErrorIds.ConsolidationNeeded, NataliaErrorKind.InvalidOperation,
                $"The snapshot of '{name}' is gone, and the server did not merge its disks: they need consolidation.",
                name, "Run Remove-NataliaSnapshot -Appliance " + name + " -Consolidate; if it fails, see what holds "
                + "the VM's files (another backup's proxy, a mounted disk).");
    }

    /// <summary>Whether a snapshot that bears a mark stands.</summary>
    /// <exception cref="NataliaException"><c>ServerError</c>: the server does not show the VM's snapshots.</exception>
    internal async Task<bool> IsThereAsync(VimReference machine, string runId, CancellationToken cancellationToken) =>
        await FindAsync(machine, runId, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>Lets the server merge what earlier removals left.</summary>
    internal Task ConsolidateAsync(VirtualMachine machine, TimeSpan limit, IProgress<int>? progress,
        CancellationToken cancellationToken) =>
        vim.RunTaskAsync(machine.Reference, "ConsolidateVMDisks_Task", [], new VimTaskOptions(limit,
            $"the consolidation of '{machine.Name}'", progress, GoesOn: true), cancellationToken);

    /// <summary>
    /// Removes one snapshot, without those that were made upon it; waits a while for another task of the VM.
    /// </summary>
    private async Task RemoveAsync(string name, VimReference snapshot, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await RemoveOnceAsync(name, snapshot, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (NataliaException e) when (e.ErrorId == ErrorIds.ApplianceLocked && attempt < BusyAttempts)
            {
                await vim.Clock.WaitAsync(s_busyPause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task RemoveOnceAsync(string name, VimReference snapshot, CancellationToken cancellationToken)
    {
        try
        {
            await vim.RunTaskAsync(snapshot, "RemoveSnapshot_Task",
                [VimXml.Element("removeChildren", false), VimXml.Element("consolidate", true)],
                new VimTaskOptions(RemovalLimit, $"the removal of the snapshot of '{name}'", GoesOn: true),
                cancellationToken).ConfigureAwait(false);
        }
        catch (VimFaultException e) when (e.Is("ManagedObjectNotFound"))
        {
            // It is gone, which is what was wanted.
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.TaskNotFinished)
        {
            throw new NataliaException(ErrorIds.MergeNotFinished, NataliaErrorKind.Timeout,
                $"After {RemovalLimit.TotalMinutes:0} minutes the server still merges the disks of '{name}' with what "
                + "was written since the snapshot.", name,
                "A merge of much takes hours and ends by itself; see it among the VM's tasks.", e);
        }
    }

    private async Task<SnapshotNode?> FindAsync(VimReference machine, string runId,
        CancellationToken cancellationToken)
    {
        VirtualMachine? now = await VirtualMachine.ReadAsync(vim, machine, cancellationToken).ConfigureAwait(false);
        // A VM whose host is away shows none, and has them all the same.
        if (now is { ShowsSnapshots: false })
            throw new NataliaException(ErrorIds.ServerError, NataliaErrorKind.ResourceUnavailable,
                $"'{vim.BaseUri.IdnHost}' does not show the snapshots of '{now.Name}' ({now.Connection}).", now.Name,
                "See the VM and its host. What is left of a backup is removed by the next one.");
        return now?.Snapshots.LastOrDefault(s => SnapshotMark.Of(s, now)?.RunId == runId);
    }

    /// <summary>
    /// Waits until the server has ended a task that nobody wants any more: what is removed before would come after.
    /// </summary>
    /// <returns>Null when it is over, or not known any more; else the failure, which says that it goes on.</returns>
    private async Task<SnapshotStillComesException?> AwaitEndAsync(VimReference task, VirtualMachine machine,
        SnapshotMark mark, Exception failure)
    {
        string what = $"the snapshot of '{machine.Name}'";
        using Deadline limit = vim.Clock.CreateDeadline(s_cleanUpLimit, CancellationToken.None);
        try
        {
            await vim.WaitTaskAsync(task, new VimTaskOptions(s_comingLimit, what, GoesOn: true),
                limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (NataliaException e) when (e.ErrorId != ErrorIds.TaskNotFinished)
        {
            // It ended without a snapshot, or nobody knows how; a look at the snapshots tells.
            return null;
        }
        catch (Exception goesOn) when (goesOn is NataliaException or OperationCanceledException)
        {
            return new SnapshotStillComesException(FailedFreeze.Tell(failure, goesOn, what, machine.Name,
                $"The server did not stop making it, so that the snapshot '{mark.Name}' may still come.",
                mark.IsBackup ? "The next backup removes it."
                    : "Look for it later, and remove it with Remove-NataliaSnapshot."));
        }
    }

    /// <summary>Removes what a failed call may have made, without hiding why it failed.</summary>
    /// <returns>Null when nothing is left; else the failure, which says now what may still be there.</returns>
    private async Task<NataliaException?> ClearAsync(VirtualMachine machine, SnapshotMark mark, Exception failure)
    {
        using Deadline limit = vim.Clock.CreateDeadline(s_cleanUpLimit, CancellationToken.None);
        // A call whose answer was lost may still be on its way.
        bool isUnclear = failure is NataliaException
        {
            ErrorId: ErrorIds.RequestOutcomeUnknown or ErrorIds.ServerUnreachable or ErrorIds.TaskNotFinished
                or ErrorIds.TaskLost
        };
        try
        {
            for (int look = isUnclear ? 3 : 1; look > 0; look--)
            {
                await RemoveAsync(machine.Reference, machine.Name, mark.RunId, limit.Token).ConfigureAwait(false);
                if (look > 1) await vim.Clock.WaitAsync(s_lookAgain, limit.Token).ConfigureAwait(false);
            }
            return null;
        }
        catch (Exception left) when (left is NataliaException or OperationCanceledException)
        {
            return NotCleared(machine.Name, mark, failure, left);
        }
    }
}
