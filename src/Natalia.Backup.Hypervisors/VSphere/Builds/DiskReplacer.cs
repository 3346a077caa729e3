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
        await RemoveLeftAsync(machine, site, cancellationToken).ConfigureAwait(false);
        string folder = BuildMark.NewFolder(before.Datastore);
        string name = System.IO.Path.GetFileName(before.Path);
        bool isAttached = false;
        using IDisposable alive = builder.Machines.Vim.KeepAlive();
        // Before there is anything to leave behind.
        await NoteAsync(machine, new ReplacementMark(builder.Machines.Vim.Clock.UtcNow(), folder,
            before.ToString()).ToText(), cancellationToken).ConfigureAwait(false);
        try
        {
            await builder.Files.MakeFolderAsync(site, folder, cancellationToken).ConfigureAwait(false);
            var path = DatastorePath.Parse($"{folder}/{name}");
            long size;
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
                || ReplacementMark.Of(machine.Config)?.Folder != folder)
                throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
                    $"The disk '{diskId}' of '{machine.Name}' was exchanged by somebody else while its new image was "
                    + "uploaded, or another replacement has begun.", machine.Name,
                    "See on the server who changed the VM, and try again.");
            XElement device = machine.Config.At("hardware").Members("device").First(d => d.Number("key") == old.Key);
            isAttached = true;
            await builder.Tasks.ReconfigureAsync(machine, cancellationToken, MachineSpec.RemoveDisk(device),
                MachineSpec.AddDisk(path.ToString(), (int)device.Number("controllerKey")!.Value,
                    (int)device.Number("unitNumber")!.Value, size)).ConfigureAwait(false);
            machine = await RequireOffAsync(appliance, cancellationToken).ConfigureAwait(false);
            if (machine.Disks.FirstOrDefault(d => d.DiskId == diskId)?.FileName != path.ToString())
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"The disk '{diskId}' of '{machine.Name}' is not the one that was written ('{path}').",
                    machine.Name, "See on the server who changed the VM; the new image is complete.");
        }
        catch (Exception failure)
        {
            // A change that the server refused has attached nothing; of one whose end is unclear nobody knows.
            if (!isAttached || (failure is VimFaultException fault && !fault.Is("NotAuthenticated")))
                await ClearAsync(appliance, site, folder, isAttached, failure).ConfigureAwait(false);
            throw;
        }
        if (machine.Snapshots.Count > 0)
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
                $"The disk '{diskId}' of '{machine.Name}' is replaced. A snapshot was made at that moment, so that "
                + $"its old image '{before}' was left.", machine.Name,
                "Remove the snapshot, and then the old image from the datastore.");
        // Only now, with the new one read back.
        try
        {
            using Deadline limit = builder.Machines.Vim.Clock.CreateDeadline(BuilderService.CleanUpLimit,
                CancellationToken.None);
            await RemoveImageAsync(machine, site, before, limit.Token).ConfigureAwait(false);
            await NoteAsync(machine, "", limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            var cause = e as NataliaException;
            throw new NataliaException(cause?.ErrorId ?? ErrorIds.TaskNotFinished,
                cause?.Kind ?? NataliaErrorKind.Timeout,
                $"The disk '{diskId}' of '{machine.Name}' is replaced, and its old image '{before}' could not be "
                + $"removed: {e.Message}", machine.Name,
                "Remove the old image from the datastore; else the next replacement of a disk of this VM does it.", e);
        }
        return await builder.Machines.DescribeAsync(machine, cancellationToken).ConfigureAwait(false);
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
        return disk.Obstacle is null ? disk
            : throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.NotSupported,
                $"The disk '{diskId}' of '{machine.Name}' cannot be replaced: it {disk.Obstacle}.", machine.Name,
                "Change the disk first, or put the restored one in by hand (Export-NataliaDisk).");
    }

    /// <summary>Removes what a failed replacement uploaded, unless the VM has it; what stays is named.</summary>
    private async Task ClearAsync(ApplianceDescription appliance, Site site, string folder, bool mayBeAttached,
        Exception failure)
    {
        using Deadline limit = builder.Machines.Vim.Clock.CreateDeadline(BuilderService.CleanUpLimit,
            CancellationToken.None);
        try
        {
            VirtualMachine now = await builder.Machines.RequireAsync(appliance, limit.Token).ConfigureAwait(false);
            if (mayBeAttached && (now.Config is null || HasDiskIn(now, folder))) return;
            await builder.Files.RemoveAsync(site.Datacenter, folder, limit.Token).ConfigureAwait(false);
            // Another replacement may have begun meanwhile, and the record is its own then.
            if (ReplacementMark.Of(now.Config)?.Folder == folder)
                await NoteAsync(now, "", limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            var first = failure as NataliaException;
            throw new NataliaException(first?.ErrorId ?? ErrorIds.DestinationWriteFailed,
                first?.Kind ?? NataliaErrorKind.WriteFailed,
                $"{failure.Message} What was uploaded, '{folder}', could not be removed: {e.Message}",
                appliance.Name, first?.RecommendedAction ?? "Remove the folder from the datastore.", failure);
        }
    }

    /// <summary>
    /// Removes what an earlier replacement of a disk of this VM left because its process died: the former image, if the
    /// VM has the new one, else what was uploaded.
    /// </summary>
    /// <exception cref="NataliaException"><c>ApplianceNotSuitable</c>: the record names a file that may be another
    /// VM's.</exception>
    private async Task RemoveLeftAsync(VirtualMachine machine, Site site, CancellationToken cancellationToken)
    {
        if (ReplacementMark.Of(machine.Config) is not ReplacementMark left) return;
        bool isExchanged = HasDiskIn(machine, left.Folder);
        // Whoever may write the record has nothing removed by it but what a replacement of this VM can have left.
        if (!BuildMark.IsFolder(left.Folder) || isExchanged && !IsInOwnFolder(machine, left.Former))
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.Security,
                $"A replacement of a disk of '{machine.Name}' was broken off. Its record names '{left.Former}' and "
                + $"'{left.Folder}', which may belong to something else, so that nothing of it was removed.",
                machine.Name, $"Look at both, and take the option '{ReplacementMark.Key}' from the VM's configuration "
                + "parameters.");
        if (!isExchanged)
            await builder.Files.RemoveAsync(site.Datacenter, left.Folder, cancellationToken).ConfigureAwait(false);
        else if (machine.Disks.All(d => d.FileName != left.Former))
            await RemoveImageAsync(machine, site, DatastorePath.Parse(left.Former),
                cancellationToken).ConfigureAwait(false);
        await NoteAsync(machine, "", cancellationToken).ConfigureAwait(false);
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

    private Task NoteAsync(VirtualMachine machine, string text, CancellationToken cancellationToken) =>
        builder.Tasks.ReconfigureAsync(machine, cancellationToken, Marks.Option(ReplacementMark.Key, text));

    private static bool HasDiskIn(VirtualMachine machine, string folder) =>
        machine.Disks.Any(d => d.FileName?.StartsWith(folder + "/", StringComparison.Ordinal) == true);

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
