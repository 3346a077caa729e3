using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Hypervisors.Qemu.Machines;

namespace Natalia.Backup.Hypervisors.Qemu;

/// <summary>
/// Replaces an image of a switched-off VM. A raw one is written beside the old one; a qcow2 one is written raw and then
/// converted, for which there must be room twice. The new image takes the old one's name in one rename, when it is
/// complete and flushed: then the old one is gone, and not before.
/// </summary>
/// <param name="folder">The same directory, as images.</param>
/// <param name="images">Finds its VMs.</param>
/// <param name="calls">Stands before each step.</param>
internal sealed class MachineDiskReplacer(FolderHypervisor folder, QemuImageSource images, HostCalls calls)
    : IDiskReplacer
{
    /// <summary>Hidden, so that what a killed process leaves is taken for no disk.</summary>
    private const string WorkFolder = ".natalia";

    private static readonly TimeSpan s_convertLimit = TimeSpan.FromHours(12);

    public async Task<ApplianceDescription> ReplaceDiskAsync(ApplianceDescription appliance, string diskId,
        long sizeBytes, Func<IDiskTarget, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        Machine vm = await calls.MakeAsync("find", () => images.FindAsync(appliance.ApplianceId, cancellationToken))
            .ConfigureAwait(false) is { Building: null, Test: null } found ? found
            : throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The appliance '{appliance.Name}' is no longer in '{folder.Location}'.", appliance.Name);
        await RefuseRunningAsync(vm, cancellationToken).ConfigureAwait(false);
        string work = Path.Combine(vm.Folder, WorkFolder);
        using FileStream alone = Lock(work, vm);
        // What a killed process has left is as large as a disk, and goes before there is need of the room.
        Remove(work);
        if (vm.Disks.FirstOrDefault(d => d.Id == diskId) is { Format: ImageFormat.Qcow2 } disk)
        {
            await ReplaceQcow2Async(vm, disk, work, sizeBytes, write, cancellationToken).ConfigureAwait(false);
            return (await folder.GetAppliancesAsync(cancellationToken).ConfigureAwait(false))
                .First(a => a.ApplianceId == appliance.ApplianceId);
        }
        return await folder.Find<IDiskReplacer>()!.ReplaceDiskAsync(appliance, diskId, sizeBytes, write,
            cancellationToken).ConfigureAwait(false);
    }

    private static async Task RefuseRunningAsync(Machine vm, CancellationToken cancellationToken)
    {
        bool isRunning = vm.Id is not null && MachineProcess.Find(vm.Id) is not null
            || await LiveMachine.IsRunningAsync(vm, cancellationToken).ConfigureAwait(false);
        if (isRunning)
            throw new NataliaException(ErrorIds.ApplianceRunning, NataliaErrorKind.InvalidOperation,
                $"The VM '{vm.Name}' runs, and its disk is replaced only while it is switched off.", vm.Name,
                "Shut it down first.");
    }

    private async Task ReplaceQcow2Async(Machine vm, MachineDisk disk, string work, long sizeBytes,
        Func<IDiskTarget, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        string program = QemuPrograms.Require(QemuPrograms.Image, "qemu-utils");
        ContainedFile old = ContainedFile.Find(vm.Folder, disk.Path, Path.Combine(vm.Folder, DescriptionFile.FileName))
            ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"There is no image '{disk.Path}' of the VM '{vm.Name}'.", disk.Id);
        string name = MachineFolders.FileNameOf(disk.Id);
        string raw = Path.Combine(work, $"replace-{name}.raw"), converted = Path.Combine(work, $"replace-{name}.qcow2");
        try
        {
            using (var target = new RawDiskTarget(raw)) await write(target, cancellationToken).ConfigureAwait(false);
            if (new FileInfo(raw) is not { Exists: true } written || written.Length != sizeBytes)
                throw new ArgumentException("It is another size than was said.", nameof(sizeBytes));
            // What is there already is filled with the rights that it has.
            PrivateFile.Open(converted, FileMode.CreateNew, FileAccess.Write).Dispose();
            (int code, _, string errors) = await calls.MakeAsync("convert", () => QemuPrograms.RunAsync(program,
                ["convert", "-f", "raw", "-O", "qcow2", raw, converted], s_convertLimit, cancellationToken))
                .ConfigureAwait(false);
            if (code != 0)
                throw new NataliaException(errors.Contains("No space left")
                    ? ErrorIds.DestinationFull
                    : ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                    $"The new image of disk '{disk.Id}' cannot be made: {errors}", vm.Folder,
                    "See whether there is room for two images beside the VM's disks.");
            using (var file = new FileStream(converted, FileMode.Open, FileAccess.ReadWrite)) StableFile.Flush(file);
            PrivateFile.TakeRightsOf(converted, old.Path);
            await RefuseRunningAsync(vm, cancellationToken).ConfigureAwait(false);
            // Whoever else has it open is refused here.
            RawDiskSource.Open(old).Dispose();
            calls.Make("replace", () =>
            {
                FileMove.Replace(converted, old.Path);
                StableFile.FlushFolder(Path.GetDirectoryName(old.Path)!);
            });
        }
        finally
        {
            Remove(work);
        }
    }

    private static FileStream Lock(string work, Machine vm)
    {
        string file = Path.Combine(work, "replace.lock");
        try
        {
            Directory.CreateDirectory(work);
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists(file))
        {
            throw new NataliaException(ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy,
                $"A disk of the VM '{vm.Name}' is being replaced at this moment.", vm.Name, "Wait for its end.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, e is UnauthorizedAccessException
                ? NataliaErrorKind.PermissionDenied
                : NataliaErrorKind.WriteFailed,
                $"Nothing can be written in '{work}': {e.Message}", work,
                "See whether there is room, and whether this user may write there.", e);
        }
    }

    private static void Remove(string work)
    {
        foreach (string path in Directory.EnumerateFiles(work, "replace-*").ToList()) File.Delete(path);
    }
}
