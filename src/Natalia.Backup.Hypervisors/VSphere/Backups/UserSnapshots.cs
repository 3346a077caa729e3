using System.Diagnostics;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;

namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>Snapshots that a person wishes, and what a person sees and removes of all of them.</summary>
internal sealed class UserSnapshots(MachineFinder machines, SnapshotService snapshots) : ISnapshots, IDiskConsolidation
{
    private static readonly TimeSpan s_consolidationLimit = TimeSpan.FromHours(12);

    public async Task<ApplianceSnapshot> CreateSnapshotAsync(ApplianceDescription appliance, SnapshotRequest request,
        CancellationToken cancellationToken)
    {
        VirtualMachine machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        var watch = Stopwatch.StartNew();
        var mark = new SnapshotMark
        {
            RunId = Guid.NewGuid().ToString("N"),
            MachineId = machine.InstanceUuid,
            StartedUtc = machines.Vim.Clock.UtcNow(),
            Note = request.Note,
        };
        bool includesMemory = request.IncludeMemory && machine.IsRunning;
        bool isQuiesced = !request.IncludeMemory && machine.IsRunning && machine.AreToolsRunning;
        string? reason = includesMemory ? "The memory is kept, so that the guest was not frozen."
            : !machine.IsRunning ? "The VM does not run, so that there is no memory to keep and no guest to ask."
            : !isQuiesced ? "VMware Tools (open-vm-tools) do not run in the guest, so that it was not asked."
            : null;
        var progress = new Percent(request.Progress, $"Snapshot of {machine.Name}");
        try
        {
            await snapshots.CreateAsync(machine, mark, isQuiesced, includesMemory, request.Timeout, progress,
                isClearedAgain: false, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e)
            when (isQuiesced && e.ErrorId is (ErrorIds.QuiesceFailed or ErrorIds.TaskFailed))
        {
            (isQuiesced, reason) = (false, $"The guest did not put its data in order: {e.Message}");
            await snapshots.CreateAsync(machine, mark, isQuiesced, includesMemory, request.Timeout, progress,
                isClearedAgain: false, cancellationToken).ConfigureAwait(false);
        }
        machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        SnapshotNode node = machine.Snapshots.FirstOrDefault(s => SnapshotMark.Of(s, machine)?.RunId == mark.RunId)
            ?? throw new NataliaException(ErrorIds.SnapshotNotFound, NataliaErrorKind.NotFound,
                $"The snapshot of '{machine.Name}' was made and is not there any more.", machine.Name);
        return View(node, mark, machine) with
        {
            Consistency = isQuiesced ? Consistency.FileSystem : Consistency.Crash,
            Reason = reason,
            IncludesMemory = includesMemory,
            Duration = watch.Elapsed,
        };
    }

    public async Task<IReadOnlyList<ApplianceSnapshot>> GetSnapshotsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        VirtualMachine machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        return
        [
            .. machine.Snapshots.Select(s => View(s, SnapshotMark.Of(s, machine), machine))
                .OrderByDescending(s => s.TimeUtc),
        ];
    }

    public async Task RemoveSnapshotAsync(ApplianceDescription appliance, string snapshotId,
        CancellationToken cancellationToken)
    {
        VirtualMachine machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        SnapshotNode snapshot = machine.Snapshots.FirstOrDefault(s => s.Reference.Value == snapshotId)
            ?? throw new NataliaException(ErrorIds.SnapshotNotFound, NataliaErrorKind.NotFound,
                $"'{machine.Name}' has no snapshot '{snapshotId}'.", machine.Name);
        SnapshotMark mark = SnapshotMark.Of(snapshot, machine)
            ?? throw new NataliaException(ErrorIds.SnapshotNotOwn, NataliaErrorKind.PermissionDenied,
                $"The snapshot '{snapshot.Name}' of '{machine.Name}' is somebody else's.", machine.Name,
                "Remove it in the vSphere Client.");
        await snapshots.RemoveAsync(machine.Reference, machine.Name, mark.RunId,
            cancellationToken).ConfigureAwait(false);
    }

    public async Task<bool> ConsolidateAsync(ApplianceDescription appliance, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        VirtualMachine machine = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        if (!machine.NeedsConsolidation) return false;
        try
        {
            await snapshots.ConsolidateAsync(machine, s_consolidationLimit,
                new Percent(progress, $"Consolidation of {machine.Name}"), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.TaskNotFinished)
        {
            throw new NataliaException(ErrorIds.MergeNotFinished, NataliaErrorKind.Timeout,
                $"After {s_consolidationLimit.TotalHours:0} hours the server still merges the disks of "
                + $"'{machine.Name}'.", machine.Name, "It goes on; see it among the VM's tasks.", e);
        }
        VirtualMachine now = await machines.RequireAsync(appliance, cancellationToken).ConfigureAwait(false);
        return !now.NeedsConsolidation ? true : throw new NataliaException(ErrorIds.ConsolidationNeeded,
            NataliaErrorKind.InvalidOperation, $"The disks of '{machine.Name}' still need consolidation.",
            machine.Name,
            "See what holds the VM's files: another backup's proxy, or a disk that is mounted elsewhere.");
    }

    private static ApplianceSnapshot View(SnapshotNode snapshot, SnapshotMark? mark, VirtualMachine machine) => new()
    {
        SnapshotId = snapshot.Reference.Value,
        ApplianceId = MachineFinder.ApplianceIdOf(machine.InstanceUuid),
        ApplianceName = machine.Name,
        TimeUtc = snapshot.CreatedUtc ?? mark?.StartedUtc ?? default,
        Consistency = snapshot.IsQuiesced ? Consistency.FileSystem : Consistency.Unknown,
        IsOwn = mark is not null,
        Note = mark is not null ? mark.Note : $"{snapshot.Name} {snapshot.Description}".Trim(),
    };

    private sealed class Percent(IProgress<OperationProgress>? told, string what) : IProgress<int>
    {
        public void Report(int value) => told?.Report(new OperationProgress(what, value, 100)
        {
            Unit = "%",
        });
    }
}
