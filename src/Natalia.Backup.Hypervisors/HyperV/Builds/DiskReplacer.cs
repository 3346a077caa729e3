using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>
/// Puts a restored data disk into a freshly deployed appliance: written beside the old one as another file, then
/// exchanged in one change of the VM's settings. The old file goes last.
/// </summary>
/// <param name="site">The hosts.</param>
internal sealed class DiskReplacer(HyperVSite site) : IDiskReplacer
{
    private const string Storage = "Msvm_StorageAllocationSettingData", Prefix = "replace-";

    // Msvm_ComputerSystem.EnabledState: 3 off.
    private const long Off = 3;

    private const int MostLooks = 150;

    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10), s_pause = TimeSpan.FromSeconds(2);

    public async Task<ApplianceDescription> ReplaceDiskAsync(ApplianceDescription appliance, string diskId,
        long sizeBytes, Func<IDiskTarget, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        Machine machine = await RequireOffAsync(appliance, cancellationToken).ConfigureAwait(false);
        DiskSlot old = await RequireOwnAsync(machine, diskId, cancellationToken).ConfigureAwait(false);
        IHostFiles files = machine.Host.Files;
        string folder = FolderOf(machine, old.Path!);
        string path = $@"{folder}\{Prefix}{Guid.NewGuid():N}.vhdx";
        // What a dead process has written is as large as a disk, and goes before there is need of the room. But the
        // host may still be at the change that it asked for, and give the VM that very file.
        if (await IsIdleAsync(machine.Host, cancellationToken).ConfigureAwait(false))
        {
            // What it was at may have been the end of another replacement, whose file the VM has now.
            Machine now = await RequireOffAsync(appliance, cancellationToken).ConfigureAwait(false);
            if (now.Disks.FirstOrDefault(d => d.DiskId == diskId)?.Path != old.Path) throw Exchanged(now, diskId);
            await Task.Run(() => Sweep(now, folder), cancellationToken).ConfigureAwait(false);
        }
        FileStream? held = null;
        try
        {
            MachineFolder.Create(machine.Host, folder);
            using (var target = new WatchedTarget(new VhdxDiskTarget(files.ToLocal(path))))
            {
                await write(target, cancellationToken).ConfigureAwait(false);
                if (!target.IsCompleted) throw new InvalidOperationException("The disk was not written to its end.");
            }
            // Until the VM has it: another replacement that sweeps does not delete, on Windows, what is open here. The
            // host may open it beside this.
            held = new FileStream(files.ToLocal(path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            // The writing may have taken hours.
            machine = await RequireOffAsync(appliance, cancellationToken).ConfigureAwait(false);
            if ((await RequireOwnAsync(machine, diskId, cancellationToken).ConfigureAwait(false)).Path != old.Path)
                throw Exchanged(machine, diskId);
            cancellationToken.ThrowIfCancellationRequested();
        }
        catch (Exception failure)
        {
            held?.Dispose();
            if (Remove(files, path) is Exception left) throw StaysBehind(machine, path, failure, left);
            throw;
        }
        machine = await ExchangeAsync(machine, old, path, held).ConfigureAwait(false);
        if (Remove(files, old.Path!) is Exception e)
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"The disk '{diskId}' of '{machine.Name}' is replaced, and its old image '{old.Path}' could not be "
                + $"removed: {e.Message}", machine.Name, "Remove the old image on the host.", e);
        // It is replaced, whoever wished to stop it since.
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        return await MachineReader.DescribeAsync(machine, await MachineReader.SwitchesAsync(machine.Host, limit.Token)
            .ConfigureAwait(false), limit.Token).ConfigureAwait(false);
    }

    /// <summary>
    /// The change itself, which is not stopped half way. Whatever the answer was, or whether one came: what the VM has
    /// then is read back, and the file that it does not have goes.
    /// </summary>
    private static async Task<Machine> ExchangeAsync(Machine machine, DiskSlot old, string path, FileStream held)
    {
        using FileStream guard = held;
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        Exception? failure = null;
        try
        {
            CimRow image = machine.Components.First(c => c.ClassName == Storage
                && DiskSlot.KeyOf(c.Text("InstanceID") ?? "") == old.Key);
            await machine.Host.CallAsync(MachineFactory.Service, "ModifyResourceSettings", new CimArguments
            {
                {
                    "ResourceSettings",
                    new[] { EmbeddedInstance.From(image).Set("HostResource", new[] { path }).ToText() }
                },
            }, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            failure = e;
        }
        Machine now;
        try
        {
            // A change whose answer was lost may be under way: what the VM has in the end is not to be seen yet.
            for (int looks = 0; failure is not null && !await IsIdleAsync(machine.Host, limit.Token)
                .ConfigureAwait(false); looks++)
            {
                if (looks == MostLooks) throw new TimeoutException("the host is still busy");
                await machine.Host.Clock.WaitAsync(s_pause, limit.Token).ConfigureAwait(false);
            }
            now = await MachineReader.FindAsync(machine.Host, machine.Id, limit.Token).ConfigureAwait(false)
                ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                    $"The VM '{machine.Name}' is no longer on the Hyper-V host '{machine.Host.Name}'.", machine.Name);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException or TimeoutException)
        {
            throw StaysBehind(machine, path, failure ?? e, e);
        }
        string? there = now.Disks.FirstOrDefault(d => d.Key == old.Key)?.Path;
        if (string.Equals(there, path, StringComparison.OrdinalIgnoreCase)) return now;
        guard.Dispose();
        failure ??= new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"The Hyper-V host '{machine.Host.Name}' says that it exchanged the disk '{old.DiskId}' of "
            + $"'{machine.Name}', and the VM has '{there}'.", machine.Name, "See on the host who changed the VM.");
        if (Remove(machine.Host.Files, path) is Exception left) throw StaysBehind(machine, path, failure, left);
        throw failure;
    }

    private async Task<Machine> RequireOffAsync(ApplianceDescription appliance, CancellationToken cancellationToken)
    {
        Machine machine = await site.RequireAsync(appliance.NativeId, appliance.Name, cancellationToken)
            .ConfigureAwait(false);
        if (machine.System.Number("EnabledState") != Off)
            throw new NataliaException(ErrorIds.ApplianceRunning, NataliaErrorKind.InvalidOperation,
                $"The VM '{machine.Name}' is not switched off ({MachineWords.Power(machine)}).", machine.Name,
                "Shut it down first.");
        if (machine.Occupation is string occupation)
            throw new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                $"The disk of '{machine.Name}' cannot be exchanged now: {occupation}.", machine.Name,
                "Try again when that has ended.");
        return machine;
    }

    /// <summary>The disk, as long as nobody else needs its file: that is removed in the end.</summary>
    private static async Task<DiskSlot> RequireOwnAsync(Machine machine, string diskId,
        CancellationToken cancellationToken)
    {
        DiskSlot disk = machine.Disks.FirstOrDefault(d => d.DiskId == diskId)
            ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"The VM '{machine.Name}' has no disk '{diskId}'.", machine.Name,
                Offer.Of(machine.Disks.Select(d => d.DiskId)));
        string? obstacle = disk.Obstacle is not null ? $"it {disk.Obstacle}"
            : MachineWords.Replication(machine) is not null ? "Hyper-V replicates the VM"
            : (await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false)).Snapshots.Count > 0
                ? "the VM has checkpoints"
            : await IsSharedAsync(machine, disk.Path!, cancellationToken).ConfigureAwait(false)
                ? $"another VM has its file '{disk.Path}' as well" : null;
        return obstacle is null ? disk
            : throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
                $"The disk '{diskId}' of '{machine.Name}' cannot be replaced: {obstacle}.", machine.Name,
                "Change that first, or put the restored disk in by hand (Export-NataliaDisk).");
    }

    private static async Task<bool> IsSharedAsync(Machine machine, string path, CancellationToken cancellationToken) =>
        (await machine.Host.QueryAsync(Wql.All(Storage), cancellationToken).ConfigureAwait(false)).Any(image =>
            image.Texts("HostResource").Any(r => string.Equals(r, path, StringComparison.OrdinalIgnoreCase))
            && image.Text("InstanceID")?.IndexOf(machine.Id, StringComparison.OrdinalIgnoreCase) < 0);

    /// <summary>Whether no job of the host is under way, of whomever.</summary>
    private static async Task<bool> IsIdleAsync(HyperVHost host, CancellationToken cancellationToken) =>
        // Msvm_ConcreteJob.JobState: 2 new, 3 starting, 4 running, 5 suspended, 6 shutting down.
        (await host.QueryAsync(Wql.All("Msvm_ConcreteJob"), cancellationToken).ConfigureAwait(false))
            .All(j => j.Number("JobState") is not (>= 2 and <= 6));

    /// <summary>
    /// A folder of this VM's own beside its disk, known again by the VM's id; where the disk lies in it already, the
    /// same one.
    /// </summary>
    private static string FolderOf(Machine machine, string path)
    {
        string beside = path.Substring(0, path.LastIndexOf('\\'));
        string own = "natalia-" + Guid.Parse(machine.Id).ToString("N");
        return beside.EndsWith("\\" + own, StringComparison.OrdinalIgnoreCase) ? beside : beside + "\\" + own;
    }

    /// <summary>Removes what dead replacements left in the VM's folder: what the VM does not have.</summary>
    private static void Sweep(Machine machine, string folder)
    {
        string local = machine.Host.Files.ToLocal(folder);
        if (!Directory.Exists(local)) return;
        HashSet<string> attached = new(machine.Disks.Select(d => d.Path).OfType<string>()
            .Select(p => p.Substring(p.LastIndexOf('\\') + 1)), StringComparer.OrdinalIgnoreCase);
        try
        {
            foreach (string file in Directory.GetFiles(local, Prefix + "*")
                .Where(f => !attached.Contains(Path.GetFileName(f))))
                File.Delete(file);
        }
        catch (IOException e)
        {
            throw new NataliaException(ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy,
                $"A disk of the VM '{machine.Name}' is being replaced at this moment: {e.Message}", machine.Name,
                "Wait for its end.", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.PermissionDenied,
                $"What an earlier replacement left in '{folder}' could not be removed: {e.Message}", folder,
                "Give this user the right to write there.", e);
        }
    }

    /// <summary>Removes a file, and its folder when that is one of ours and empty then.</summary>
    /// <returns>Why it is still there; null when it is not.</returns>
    private static Exception? Remove(IHostFiles files, string path)
    {
        try
        {
            string local = files.ToLocal(path), folder = Path.GetDirectoryName(local)!;
            File.Delete(local);
            if (Path.GetFileName(folder).StartsWith("natalia-", StringComparison.Ordinal)
                && !Directory.EnumerateFileSystemEntries(folder).Any())
                Directory.Delete(folder);
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e;
        }
    }

    private static NataliaException Exchanged(Machine machine, string diskId) =>
        new(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
            $"The disk '{diskId}' of '{machine.Name}' was exchanged by somebody else in the meantime.", machine.Name,
            "See on the host who changed the VM, and try again.");

    private static NataliaException StaysBehind(Machine machine, string path, Exception failure, Exception left)
    {
        var known = failure as NataliaException;
        return new NataliaException(known?.ErrorId ?? ErrorIds.DestinationWriteFailed,
            known?.Kind ?? NataliaErrorKind.WriteFailed,
            $"{failure.Message} The new image '{path}' may still be there: {left.Message}", machine.Name,
            $"The next replacement removes it, unless the VM has it. {known?.RecommendedAction}".TrimEnd(),
            new AggregateException(failure, left));
    }
}
