using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Checkpoints;

/// <summary>
/// Makes recovery checkpoints, turns them into reference points, and removes what was recorded as this product's. It
/// touches nothing else.
/// </summary>
internal static class CheckpointService
{
    private const string SnapshotService = "Msvm_VirtualSystemSnapshotService";
    private const string ReferenceService = "Msvm_VirtualSystemReferencePointService";

    /// <summary>The type of checkpoint that backups make; Microsoft's own sample passes it.</summary>
    private const ushort Recovery = 32768;

    private static readonly TimeSpan s_busyLimit = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2);

    /// <summary>Makes a checkpoint under the recorded name.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="mark">What was recorded of it.</param>
    /// <param name="isProduction">Whether the guest is asked to put its data in order.</param>
    /// <param name="ignoreOthers">Whether disks that no checkpoint can hold are left out; none is wanted.</param>
    internal static async Task<CimRow> CreateAsync(Machine machine, BackupMark mark, bool isProduction,
        bool ignoreOthers, CancellationToken cancellationToken)
    {
        string settings = new EmbeddedInstance("Msvm_VirtualSystemSnapshotSettingData")
            .Set("ElementName", mark.CheckpointName)
            .Set("ConsistencyLevel", (byte)(isProduction ? 1 : 2))
            // A copy: the guest's logs and its own backup history are another product's to keep.
            .Set("GuestBackupType", (byte)2)
            .Set("IgnoreNonSnapshottableDisks", ignoreOthers)
            .ToText();
        CimRow outputs = await machine.Host.CallAsync(SnapshotService, "CreateSnapshot", new CimArguments
        {
            { "AffectedSystem", machine.Path },
            { "SnapshotSettings", settings },
            { "SnapshotType", Recovery },
        }, cancellationToken).ConfigureAwait(false);
        return await ResultAsync(machine, outputs, "ResultingSnapshot", Standing.SnapshotClass,
                cancellationToken).ConfigureAwait(false)
            ?? (await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false)).SnapshotOf(mark)
            ?? throw Missing(machine, "checkpoint");
    }

    /// <summary>Turns a checkpoint into a reference point; the host merges the disks behind it.</summary>
    internal static async Task<CimRow> ConvertAsync(Machine machine, BackupMark mark, CimPath snapshot,
        CancellationToken cancellationToken)
    {
        CimRow outputs = await machine.Host.CallAsync(SnapshotService, "ConvertToReferencePoint", new CimArguments
        {
            { "AffectedSnapshot", snapshot },
            { "ReferencePointSettings", (string?)null },
        }, cancellationToken).ConfigureAwait(false);
        return await ResultAsync(machine, outputs, "ResultingReferencePoint", Standing.ReferenceClass,
                cancellationToken).ConfigureAwait(false)
            ?? (await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false)).ReferenceOf(mark)
            ?? throw Missing(machine, "reference point");
    }

    /// <summary>
    /// Removes the checkpoint of a backup, and its reference point unless that is needed, and then its record. What is
    /// gone already is fine.
    /// </summary>
    /// <param name="machine">The VM.</param>
    /// <param name="mark">What was recorded of the backup.</param>
    /// <param name="keepsReference">Whether a reference point stays, with the record.</param>
    /// <param name="mayCome">Whether the host may still make the checkpoint: the record stays then if there is none, so
    /// that the next run finds it.</param>
    /// <param name="cancellationToken">Bounds it.</param>
    internal static async Task RemoveAsync(Machine machine, BackupMark mark, bool keepsReference, bool mayCome,
        CancellationToken cancellationToken)
    {
        await WaitForCheckpointsAsync(machine, cancellationToken).ConfigureAwait(false);
        Standing standing = await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false);
        if (standing.SnapshotOf(mark) is CimRow snapshot)
            await TryAsync(machine, SnapshotService, "DestroySnapshot", "AffectedSnapshot", snapshot.Path!,
                cancellationToken).ConfigureAwait(false);
        CimRow? reference = standing.ReferenceOf(mark);
        if (keepsReference && reference is not null) return;
        if (mayCome && reference is null && standing.SnapshotOf(mark) is null) return;
        if (reference is not null)
            await TryAsync(machine, ReferenceService, "DestroyReferencePoint", "AffectedReferencePoint",
                reference.Path!, cancellationToken).ConfigureAwait(false);
        // The record last: what it stands for must be gone before it is.
        await NoteBook.ChangeAsync(machine, n => NoteText.WithBackup(n, mark.RunId, null),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Waits while the host makes, applies or deletes a checkpoint of the VM: one that a dead process asked for may
    /// come into being only now.
    /// </summary>
    internal static async Task WaitForCheckpointsAsync(Machine machine, CancellationToken cancellationToken) =>
        await WaitAsync(machine, m => m.Status.Any(s => s is >= 32768 and <= 32770), s_busyLimit,
            cancellationToken).ConfigureAwait(false);

    /// <summary>Waits until nothing on the host stands in the way of a backup.</summary>
    /// <returns>The VM as it is then.</returns>
    /// <exception cref="NataliaException"><c>ApplianceLocked</c>.</exception>
    internal static async Task<Machine> WaitUntilFreeAsync(Machine machine, CancellationToken cancellationToken)
    {
        Machine now = await WaitAsync(machine, m => m.Occupation is not null, s_busyLimit,
            cancellationToken).ConfigureAwait(false);
        return now.Occupation is not string still ? now : throw new NataliaException(ErrorIds.ApplianceLocked,
            NataliaErrorKind.ResourceBusy,
            $"'{now.Name}' cannot be backed up now, because after {s_busyLimit.TotalMinutes:0} minutes still "
            + $"{still}.", now.Name,
            now.IsMerging
                ? "See in the event log Microsoft-Windows-Hyper-V-VMMS-Admin (19080, 19100) how the merge is doing, "
                    + "and that the volume has room."
                : "Try again when it has ended.");
    }

    /// <summary>Waits until the disks are merged; false when they are not at the end of the time.</summary>
    internal static async Task<bool> WaitForMergeAsync(Machine machine, TimeSpan limit,
        CancellationToken cancellationToken) =>
        !(await WaitAsync(machine, m => m.IsMerging, limit, cancellationToken).ConfigureAwait(false)).IsMerging;

    private static async Task<Machine> WaitAsync(Machine machine, Func<Machine, bool> isBusy, TimeSpan limit,
        CancellationToken cancellationToken)
    {
        HyperVHost host = machine.Host;
        DateTime end = host.UtcNow + limit;
        while (true)
        {
            CimRow system = await host.GetAsync(machine.Path, cancellationToken).ConfigureAwait(false)
                ?? throw new NataliaException(ErrorIds.ApplianceMoved, NataliaErrorKind.NotFound,
                    $"The VM '{machine.Name}' left the Hyper-V host '{host.Name}' meanwhile.", machine.Name,
                    "If it was moved to another host, run the backup again.");
            machine = machine with { System = system };
            if (!isBusy(machine) || host.UtcNow >= end) return machine;
            await host.Clock.WaitAsync(s_pause, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What a call made: behind a job its associate, else the output; a reference holds keys only.</summary>
    private static async Task<CimRow?> ResultAsync(Machine machine, CimRow outputs, string output, string className,
        CancellationToken cancellationToken)
    {
        if (outputs.Reference("Job") is CimPath job)
        {
            IReadOnlyList<CimRow> made = await machine.Host.AssociatorsAsync(job, "Msvm_AffectedJobElement", className,
                cancellationToken).ConfigureAwait(false);
            if (made.Count == 1) return made[0];
        }
        return outputs.Reference(output) is CimPath path
            ? await machine.Host.GetAsync(path, cancellationToken).ConfigureAwait(false)
            : null;
    }

    /// <summary>Destroys something; that it is gone is all that is wanted.</summary>
    private static async Task TryAsync(Machine machine, string service, string method, string argument, CimPath path,
        CancellationToken cancellationToken)
    {
        try
        {
            await machine.Host.CallAsync(service, method, new CimArguments { { argument, path } },
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException) when (!cancellationToken.IsCancellationRequested)
        {
            if (await machine.Host.GetAsync(path, cancellationToken).ConfigureAwait(false) is not null) throw;
        }
    }

    private static NataliaException Missing(Machine machine, string what) =>
        new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
        $"The Hyper-V host '{machine.Host.Name}' says that it made a {what} of '{machine.Name}', and there is none.",
        machine.Name, "Look at the event log Microsoft-Windows-Hyper-V-VMMS-Admin of the host.");
}
