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
        VirtualDiskDevice old = machine.Disk(diskId);
        if (machine.Snapshots.Count > 0)
            throw new NataliaException(ErrorIds.ApplianceNotSuitable, NataliaErrorKind.InvalidOperation,
                $"'{machine.Name}' has snapshots, so that its disks cannot be exchanged.", machine.Name,
                "Remove its snapshots first.");
        DatastorePath before = DatastorePath.Parse(old.FileName ?? throw NoFile(machine, diskId));
        Site site = await builder.Sites.FindAsync(new Placement { Storage = before.Datastore }, [], [],
            cancellationToken).ConfigureAwait(false);
        string folder = BuildMark.NewFolder(before.Datastore);
        string name = System.IO.Path.GetFileName(before.Path);
        bool isAttached = false;
        using IDisposable alive = builder.Machines.Vim.KeepAlive();
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
        catch
        {
            if (!isAttached) await RemoveAsync(site, folder).ConfigureAwait(false);
            throw;
        }
        // Only now, with the new one read back.
        await RemoveAsync(site, before.ToString()).ConfigureAwait(false);
        if (before.FlatFile() is DatastorePath flat) await RemoveAsync(site, flat.ToString()).ConfigureAwait(false);
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

    private async Task RemoveAsync(Site site, string name)
    {
        using Deadline limit = builder.Machines.Vim.Clock.CreateDeadline(BuilderService.CleanUpLimit,
            CancellationToken.None);
        await builder.Files.RemoveAsync(site.Datacenter, name, limit.Token).ConfigureAwait(false);
    }

    private static NataliaException NoFile(VirtualMachine machine, string diskId) =>
        new(ErrorIds.DiskFormatNotSupported, NataliaErrorKind.NotSupported,
        $"The disk '{diskId}' of '{machine.Name}' is no file of a datastore, and cannot be replaced.", machine.Name);
}
