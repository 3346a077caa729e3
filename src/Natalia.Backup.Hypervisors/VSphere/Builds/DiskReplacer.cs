using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Reading;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>
/// Puts a restored data disk into a freshly deployed appliance: uploaded beside the old one, then exchanged in one
/// change of the VM's configuration.
/// </summary>
/// <param name="builder">What uploads and changes.</param>
internal sealed class DiskReplacer(BuilderService builder) : IDiskReplacer
{
    private const string ByHand = "To do it by hand, delete the old image from the datastore, and then take the "
        + $"option '{ReplacementMark.Key}' from the VM's configuration parameters.";

    public async Task<ApplianceDescription> ReplaceDiskAsync(ApplianceDescription appliance, string diskId,
        long sizeBytes, Func<IDiskTarget, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        VirtualMachine machine = await RequireOffAsync(appliance, cancellationToken).ConfigureAwait(false);
        VirtualDiskDevice old = RequireOwn(machine, diskId);
        DatastorePath before = DatastorePath.Parse(old.FileName ?? throw NoFile(machine, diskId));
        // Another datacenter may have a datastore of the same name: the VM's own host leads to the right one.
        string? host = await builder.Machines.HostNameAsync(machine.Host, cancellationToken).ConfigureAwait(false);
        Site site = await builder.Sites.FindAsync(new Placement { VMHost = host, Storage = before.Datastore }, [], [],
            cancellationToken).ConfigureAwait(false);
        machine = await RemoveLeftAsync(appliance, machine, site, cancellationToken).ConfigureAwait(false);
        var mark = new ReplacementMark(builder.Machines.Vim.Clock.UtcNow(), machine.InstanceUuid,
            ReplacementMark.NewOwner(), BuildMark.NewFolder(before.Datastore), before.ToString());
        var path = DatastorePath.Parse($"{mark.Folder}/{System.IO.Path.GetFileName(before.Path)}");
        long size;
        using IDisposable alive = builder.Machines.Vim.KeepAlive();
        // Before there is anything to leave behind.
        await NoteAsync(machine, mark.ToText(), cancellationToken).ConfigureAwait(false);
        try
        {
            await builder.Files.MakeFolderAsync(site, mark.Folder, cancellationToken).ConfigureAwait(false);
            using (var target = new UploadTarget(builder.Files, site, path))
            {
                await write(target, cancellationToken).ConfigureAwait(false);
                if (!target.IsCompleted) throw new InvalidOperationException("The disk was not written to its end.");
                size = target.SizeBytes;
            }
            // The writing may have taken hours.
            machine = await RequireOffAsync(appliance, cancellationToken).ConfigureAwait(false);
            VirtualDiskDevice still = RequireOwn(machine, diskId);
            if (still.Key != old.Key || still.FileName != old.FileName
                || ReplacementMark.Of(machine)?.Owner != mark.Owner)
                throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
                    $"The disk '{diskId}' of '{machine.Name}' was exchanged by somebody else while its new image was "
                    + "uploaded, or another replacement has begun.", machine.Name,
                    "See on the server who changed the VM, and try again.");
            cancellationToken.ThrowIfCancellationRequested();
        }
        catch (Exception failure)
        {
            await ClearAsync(appliance, site, mark, failure).ConfigureAwait(false);
            throw;
        }
        machine = await ExchangeAsync(appliance, machine, site, mark, old, path, size).ConfigureAwait(false);
        if (machine.Snapshots.Count > 0)
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
                $"The disk '{diskId}' of '{machine.Name}' is replaced. A snapshot was made at that moment, so that "
                + $"its old image '{before}' was left.", machine.Name,
                $"Remove the snapshot; the next replacement of a disk of this VM removes the old image then. {ByHand}");
        using Deadline limit = builder.Machines.Vim.Clock.CreateDeadline(BuilderService.CleanUpLimit,
            CancellationToken.None);
        // Only now, with the new one read back.
        try
        {
            await RemoveImageAsync(machine, site, before, limit.Token).ConfigureAwait(false);
            await ClearRecordAsync(await builder.Machines.RequireAsync(appliance, limit.Token).ConfigureAwait(false),
                mark, limit.Token).ConfigureAwait(false);
            return await builder.Machines.DescribeAsync(machine, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            var cause = e as NataliaException;
            throw new NataliaException(cause?.ErrorId ?? ErrorIds.TaskNotFinished,
                cause?.Kind ?? NataliaErrorKind.Timeout,
                $"The disk '{diskId}' of '{machine.Name}' is replaced, and its old image '{before}' may still be "
                + $"there: {e.Message}", machine.Name,
                $"The next replacement of a disk of this VM removes it. {ByHand}", e);
        }
    }

    /// <summary>
    /// The change itself, which is not stopped half way. Whatever the answer was, or whether one came, what the VM has
    /// then is read back, also of one that was switched on meanwhile.
    /// </summary>
    private async Task<VirtualMachine> ExchangeAsync(ApplianceDescription appliance, VirtualMachine machine, Site site,
        ReplacementMark mark, VirtualDiskDevice old, DatastorePath path, long size)
    {
        using Deadline limit = builder.Machines.Vim.Clock.CreateDeadline(BuilderService.CleanUpLimit,
            CancellationToken.None);
        Exception? failure = null;
        VirtualMachine? now = null;
        try
        {
            XElement device = machine.Config.At("hardware").Members("device").First(d => d.Number("key") == old.Key);
            await builder.Tasks.ReconfigureAsync(machine, limit.Token, Unchanged(machine),
                MachineSpec.RemoveDisk(device), MachineSpec.AddDisk(path.ToString(),
                    (int)device.Number("controllerKey")!.Value, (int)device.Number("unitNumber")!.Value,
                    size)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            failure = e;
        }
        // A change that the server refused has attached nothing; of one whose end is unclear nobody knows.
        bool isRefused = failure is VimFaultException fault && !fault.Is("NotAuthenticated");
        try
        {
            now = await builder.Machines.RequireAsync(appliance, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            failure ??= e;
        }
        string? there = now?.Disks.FirstOrDefault(d => d.DiskId == old.DiskId)?.FileName;
        if (now?.Disks.Any(d => d.DiskId == old.DiskId && Images(d).Contains(path.ToString())) == true) return now;
        if (failure is null)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The disk '{old.DiskId}' of '{machine.Name}' is '{there}', and not the one that was written "
                + $"('{path}').", machine.Name, "See on the server who changed the VM; the new image is complete.");
        if (isRefused)
        {
            await ClearAsync(appliance, site, mark, failure).ConfigureAwait(false);
            throw failure;
        }
        var known = failure as NataliaException;
        throw new NataliaException(known?.ErrorId ?? ErrorIds.TaskNotFinished,
            known?.Kind ?? NataliaErrorKind.Timeout,
            $"{failure.Message} Whether '{machine.Name}' has the new image '{path}' then is not known, so that both "
            + "images were left.", machine.Name,
            ("See on the server which one it has; the next replacement of a disk of this VM removes the other. "
                + known?.RecommendedAction).TrimEnd(), failure);
    }

    private async Task<VirtualMachine> RequireOffAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        VirtualMachine machine = await builder.Machines.RequireAsync(appliance,
            cancellationToken).ConfigureAwait(false);
        return machine.Power == "poweredOff" ? machine
            : throw new NataliaException(ErrorIds.ApplianceRunning, NataliaErrorKind.InvalidOperation,
                $"The VM '{machine.Name}' is not switched off ({machine.Power}).", machine.Name,
                "Switch it off first.");
    }

    /// <summary>The disk, as long as nobody else needs its file: that is removed in the end.</summary>
    private static VirtualDiskDevice RequireOwn(VirtualMachine machine, string diskId)
    {
        VirtualDiskDevice disk = machine.Disk(diskId);
        if (machine.Snapshots.Count > 0)
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
                $"'{machine.Name}' has snapshots, so that its disks cannot be exchanged.", machine.Name,
                "Remove its snapshots first.");
        // Its images below stay for ever, or are a linked clone's that other VMs have.
        string? obstacle = disk.Obstacle
            ?? (disk.ParentCount > 0 ? $"consists of {disk.ParentCount + 1} images" : null);
        return obstacle is null ? disk
            : throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
                $"The disk '{diskId}' of '{machine.Name}' cannot be replaced: it {obstacle}.", machine.Name,
                disk.Obstacle is null
                    ? "Have them merged (Remove-NataliaSnapshot -Consolidate); of a linked clone, make a full one."
                    : "Change the disk first, or put the restored one in by hand (Export-NataliaDisk).");
    }

    /// <summary>Removes what a failed replacement uploaded, unless the VM has it; what stays is named.</summary>
    private async Task ClearAsync(ApplianceDescription appliance, Site site, ReplacementMark mark, Exception failure)
    {
        using Deadline limit = builder.Machines.Vim.Clock.CreateDeadline(BuilderService.CleanUpLimit,
            CancellationToken.None);
        try
        {
            VirtualMachine now = await builder.Machines.RequireAsync(appliance, limit.Token).ConfigureAwait(false);
            if (now.Config is null || HasDiskIn(now, mark.Folder)) return;
            await builder.Files.RemoveAsync(site.Datacenter, mark.Folder, limit.Token).ConfigureAwait(false);
            await ClearRecordAsync(now, mark, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            var first = failure as NataliaException;
            throw new NataliaException(first?.ErrorId ?? ErrorIds.DestinationWriteFailed,
                first?.Kind ?? NataliaErrorKind.WriteFailed,
                $"{failure.Message} What was uploaded, '{mark.Folder}', could not be removed: {e.Message}",
                appliance.Name, first?.RecommendedAction ?? "Remove the folder from the datastore.", failure);
        }
    }

    /// <summary>
    /// Removes what an earlier replacement of a disk of this VM left because its process died: the former image, if the
    /// VM has the new one, else what was uploaded.
    /// </summary>
    /// <returns>The VM, as it is then.</returns>
    /// <exception cref="NataliaException"><c>ApplianceNotSuitable</c>: the record names a file that may be another
    /// VM's. <c>ApplianceLocked</c>: the VM was changed since it was read.</exception>
    private async Task<VirtualMachine> RemoveLeftAsync(ApplianceDescription appliance, VirtualMachine machine,
        Site site, CancellationToken cancellationToken)
    {
        if (ReplacementMark.Of(machine) is not ReplacementMark left) return machine;
        bool isExchanged = HasDiskIn(machine, left.Folder);
        // A record is only a text, which whoever may change the VM can forge: nothing is removed by it but a folder
        // whose name this product makes, and, of what was replaced, a file of the VM's own folder or of such a one.
        if (!BuildMark.IsFolder(left.Folder) || isExchanged && !IsInOwnFolder(machine, left.Former))
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.Security,
                $"A replacement of a disk of '{machine.Name}' was broken off. Its record names '{left.Former}' and "
                + $"'{left.Folder}', which may belong to something else, so that nothing of it was removed.",
                machine.Name, $"Look at both, and take the option '{ReplacementMark.Key}' from the VM's configuration "
                + "parameters.");
        // The one that wrote it may live, and be about to give the VM what is removed here. Whichever of the two
        // changes the VM later is refused by the server, or sees another owner.
        left = left with { Owner = ReplacementMark.NewOwner() };
        await NoteAsync(machine, left.ToText(), cancellationToken).ConfigureAwait(false);
        if (!isExchanged)
            await builder.Files.RemoveAsync(site.Datacenter, left.Folder, cancellationToken).ConfigureAwait(false);
        else if (machine.Disks.All(d => !Images(d).Contains(left.Former)))
            await RemoveImageAsync(machine, site, DatastorePath.Parse(left.Former),
                cancellationToken).ConfigureAwait(false);
        machine = await RequireOffAsync(appliance, cancellationToken).ConfigureAwait(false);
        return ReplacementMark.Of(machine)?.Owner == left.Owner ? machine
            : throw new NataliaException(ErrorIds.ApplianceLocked, NataliaErrorKind.ResourceBusy,
                $"Another replacement of a disk of '{machine.Name}' has begun at the same time.", machine.Name,
                "Wait for its end.");
    }

    /// <summary>Removes an image that the VM does not have any more, with a folder that was made for it.</summary>
    private async Task RemoveImageAsync(VirtualMachine machine, Site site, DatastorePath image,
        CancellationToken cancellationToken)
    {
        string folder = FolderOf(image);
        if (BuildMark.IsFolder(folder) && !HasDiskIn(machine, folder))
        {
            await builder.Files.RemoveAsync(site.Datacenter, folder, cancellationToken).ConfigureAwait(false);
            return;
        }
        await builder.Files.RemoveAsync(site.Datacenter, image.ToString(), cancellationToken).ConfigureAwait(false);
        if (image.FlatFile() is DatastorePath flat)
            await builder.Files.RemoveAsync(site.Datacenter, flat.ToString(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes the record, as long as nothing of the VM was changed since it was read.</summary>
    private Task NoteAsync(VirtualMachine machine, string text, CancellationToken cancellationToken) =>
        builder.Tasks.ReconfigureAsync(machine, cancellationToken, Unchanged(machine),
            Marks.Option(ReplacementMark.Key, text));

    /// <summary>Takes the record away, whatever else was changed; one of another replacement stays.</summary>
    private Task ClearRecordAsync(VirtualMachine now, ReplacementMark mark, CancellationToken cancellationToken) =>
        ReplacementMark.Of(now)?.Owner == mark.Owner
            ? builder.Tasks.ReconfigureAsync(now, cancellationToken, Marks.Option(ReplacementMark.Key, ""))
            : Task.CompletedTask;

    /// <summary>The condition that the VM's configuration is still the one that was read; the first member of a
    /// change.</summary>
    private static XElement? Unchanged(VirtualMachine machine) =>
        VimXml.Element("changeVersion", machine.ChangeVersion);

    private static bool HasDiskIn(VirtualMachine machine, string folder) =>
        machine.Disks.SelectMany(Images).Any(f => f.StartsWith(folder + "/", StringComparison.Ordinal));

    /// <summary>The descriptors of a disk: its own, and those that it lies upon.</summary>
    private static IEnumerable<string> Images(VirtualDiskDevice disk) => disk.Parents.Prepend(disk.FileName ?? "");

    /// <summary>Whether a file lies in the folder of the VM, of whatever datastore, or in one of a building.</summary>
    private static bool IsInOwnFolder(VirtualMachine machine, string file)
    {
        if (DatastorePath.TryParse(file) is not DatastorePath path) return false;
        DatastorePath? own = DatastorePath.TryParse(machine.Config.Text("files.vmPathName") ?? "");
        return BuildMark.IsFolder(FolderOf(path))
            || own is { Folder.Length: > 0 } && path.Folder == own.Folder;
    }

    /// <summary>The folder of a file, <c>[datastore] folder</c>.</summary>
    private static string FolderOf(DatastorePath file) => $"[{file.Datastore}] {file.Folder}";

    private static NataliaException NoFile(VirtualMachine machine, string diskId) =>
        new(ErrorIds.DiskFormatNotSupported, NataliaErrorKind.NotSupported,
        $"The disk '{diskId}' of '{machine.Name}' is no file of a datastore, and cannot be replaced.", machine.Name);
}
