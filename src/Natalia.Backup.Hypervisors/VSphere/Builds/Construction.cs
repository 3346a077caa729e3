using System.Globalization;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Hypervisors.VSphere.Reading;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>A VM that is being built.</summary>
/// <param name="builder">Who builds it.</param>
/// <param name="site">Where.</param>
/// <param name="instanceUuid">The VM.</param>
/// <param name="how">How it was wanted.</param>
/// <param name="mark">The record of the building.</param>
/// <param name="networks">The network of each adapter.</param>
/// <param name="places">Where each disk goes on the controller.</param>
internal sealed class Construction(BuilderService builder, Site site, string instanceUuid, BuildRequest how,
    BuildMark mark, IReadOnlyList<string> networks, IReadOnlyDictionary<string, int> places)
    : IApplianceUnderConstruction
{
    private readonly List<(int Unit, UploadTarget Target)> _disks = [];
    private readonly IDisposable _alive = builder.Machines.Vim.KeepAlive();
    private bool _isOver;

    public string NativeId => instanceUuid;

    public IDiskTarget GetDisk(string diskId, long sizeBytes)
    {
        int unit = places.TryGetValue(diskId, out int place) ? place
            : throw new ArgumentException($"The VM is to have no disk '{diskId}'.", nameof(diskId));
        var path = DatastorePath.Parse($"{mark.Folder}/{FileNameOf(diskId)}.vmdk");
        var target = new UploadTarget(builder.Files, site, path);
        lock (_disks) _disks.Add((unit, target));
        return target;
    }

    public async Task<ApplianceDescription> CompleteAsync(CancellationToken cancellationToken)
    {
        if (_disks.Exists(d => !d.Target.IsCompleted))
            throw new InvalidOperationException("A disk was not written to its end.");
        VirtualMachine machine = await ReadAsync(cancellationToken).ConfigureAwait(false);
        int controller = ControllerOf(machine);
        // All at once: a VM with some of its disks is none that anybody wants.
        if (_disks.Count > 0)
            await builder.Tasks.ReconfigureAsync(machine, cancellationToken, [.. _disks.OrderBy(d => d.Unit).Select(d =>
                MachineSpec.AddDisk(d.Target.Path.ToString(), controller, d.Unit, d.Target.SizeBytes))])
                .ConfigureAwait(false);
        await WriteFirmwareAsync(machine, cancellationToken).ConfigureAwait(false);
        machine = await ReadAsync(cancellationToken).ConfigureAwait(false);
        ApplianceDescription made = await builder.Machines.DescribeAsync(machine,
            cancellationToken).ConfigureAwait(false);
        Verify(machine, made);
        await builder.Tasks.ReconfigureAsync(machine, cancellationToken,
            Marks.Option(BuildMark.Key, "")).ConfigureAwait(false);
        _isOver = true;
        _alive.Dispose();
        return made;
    }

    public async ValueTask DisposeAsync()
    {
        if (_isOver) return;
        _isOver = true;
        try
        {
            foreach ((_, UploadTarget target) in _disks) target.Dispose();
            using Deadline limit = builder.Machines.Vim.Clock.CreateDeadline(BuilderService.CleanUpLimit,
                CancellationToken.None);
            await builder.RemoveUnfinishedAsync(
                new UnfinishedAppliance(instanceUuid, how.Name, mark.BuildId, mark.StartedUtc),
                limit.Token).ConfigureAwait(false);
        }
        finally
        {
            _alive.Dispose();
        }
    }

    private async Task<VirtualMachine> ReadAsync(CancellationToken cancellationToken) =>
        await builder.Machines.FindAsync(instanceUuid, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The VM '{how.Name}' that was being built is no longer on '{builder.Machines.Location}'.", how.Name,
                "See who removed it, and try again.");

    /// <summary>
    /// The UEFI variables lie beside the VM's configuration, under its name: the first start takes what is there.
    /// </summary>
    private async Task WriteFirmwareAsync(VirtualMachine machine, CancellationToken cancellationToken)
    {
        ApplianceAttachment? variables = how.Attachments.FirstOrDefault(a =>
            builder.Takes(a, MachineFinder.Kind));
        const string configuration = ".vmx";
        if (variables is null || machine.Firmware != "efi" || machine.Config.Text("files.vmPathName") is not string file
            || !file.EndsWith(configuration, StringComparison.OrdinalIgnoreCase))
            return;
        var path = DatastorePath.Parse(file.Substring(0, file.Length - configuration.Length) + ".nvram");
        await builder.Files.WriteAsync(site, path, variables.Content.ToArray(),
            cancellationToken).ConfigureAwait(false);
        await builder.Tasks.ReconfigureAsync(machine, cancellationToken,
            Marks.Option("nvram", System.IO.Path.GetFileName(path.Path))).ConfigureAwait(false);
    }

    private int ControllerOf(VirtualMachine machine)
    {
        XElement? controller = machine.Config.At("hardware").Members("device").FirstOrDefault(d =>
            d.Member("sharedBus") is not null && d.Number("busNumber") == 0);
        return (int?)controller.Number("key") ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid,
            NataliaErrorKind.InvalidData, $"The VM '{how.Name}' has no SCSI controller, although it was given one.",
            how.Name);
    }

    /// <summary>What was read back must be what was wanted.</summary>
    private void Verify(VirtualMachine machine, ApplianceDescription made)
    {
        var wrong = new List<string>();
        foreach ((int unit, UploadTarget target) in _disks)
        {
            VirtualDiskDevice? there = machine.Disks.FirstOrDefault(d => d.FileName == target.Path.ToString());
            if (there is null) wrong.Add($"the disk '{target.Path}' is not attached");
            else if (there.SizeBytes is long size && size < target.SizeBytes)
                wrong.Add($"the disk '{target.Path}' has {size} bytes instead of {target.SizeBytes}");
            else if (there.DiskId != string.Format(CultureInfo.InvariantCulture, "scsi0:{0}", unit))
                wrong.Add($"the disk '{target.Path}' is {there.DiskId} instead of scsi0:{unit}");
        }
        if (machine.Disks.Count != _disks.Count)
            wrong.Add($"it has {machine.Disks.Count} disks instead of {_disks.Count}");
        if (!made.Networks.Select(n => n.Name).SequenceEqual(networks, StringComparer.Ordinal))
            wrong.Add($"its adapters are on {string.Join(", ", made.Networks.Select(n => n.Name))} instead of "
                + string.Join(", ", networks));
        if (BuildMark.Of(machine.Config) != mark) wrong.Add("its record is another's");
        if (machine.IsRunning) wrong.Add("it runs");
        if (wrong.Count > 0)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The VM '{how.Name}' is not as it was to be: {string.Join("; ", wrong)}.", how.Name,
                "See on the server who changed it, and try again.");
    }

    /// <summary>An id that another hypervisor gave may hold what no file's name may.</summary>
    private static string FileNameOf(string diskId) =>
        new([.. diskId.Select(c => c < 128 && char.IsLetterOrDigit(c) || c is '-' or '_' ? c : '-')]);
}
