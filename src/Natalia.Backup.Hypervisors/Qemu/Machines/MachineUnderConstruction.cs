using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>A VM that is being built in its folder.</summary>
internal sealed class MachineUnderConstruction(
    Machine machine, ApplianceDescription like, bool isFirmwareKnown,
    ApplianceAttachment? variables, ServedDisks? served, MachineBuilder builder, MachineMove move, HostCalls calls)
    : IApplianceUnderConstruction
{
    private const string NvramFile = "nvram.fd";
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    private readonly List<MachineDiskTarget> _targets = [];
    private bool _isCompleted;

    public string NativeId => machine.Id!;

    public IDiskTarget GetDisk(string diskId, long sizeBytes)
    {
        ApplianceDisk? disk = like.Disks.FirstOrDefault(d => d.DiskId == diskId);
        lock (_targets)
        {
            if (_targets.Exists(t => t.Disk.Id == diskId))
                throw new InvalidOperationException($"The disk '{diskId}' was begun before.");
            var target = new MachineDiskTarget(
                new MachineDisk(diskId, FileOf(diskId, ".raw"), disk?.Role ?? DiskRole.Unknown, ImageFormat.Raw),
                sizeBytes, machine.Folder, calls);
            _targets.Add(target);
            return target;
        }
    }

    public async Task<ApplianceDescription> CompleteAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_targets.Find(t => !t.IsCompleted) is MachineDiskTarget open)
            throw new InvalidOperationException($"The disk '{open.Disk.Id}' was not written to its end.");
        // In the order of the original, whatever came first.
        List<string> order = [.. like.Disks.Select(d => d.DiskId)];
        List<MachineDisk> disks = [.. _targets.Select(t => t.Disk)
            .Select(d => served?.DiskIds.Contains(d.Id) == true ? d with { Export = d.Id } : d)
            .OrderBy(d => order.IndexOf(d.Id))];
        if (served is not null)
            await calls.MakeAsync("serve disks", () => served.ServeAsync(machine.DiskSocket, cancellationToken))
                .ConfigureAwait(false);
        Machine whole = await WithFirmwareAsync(machine with { Disks = disks }, cancellationToken)
            .ConfigureAwait(false);
        calls.Make("attach disks", whole.Write);
        Verify(whole);
        cancellationToken.ThrowIfCancellationRequested();
        if (served is not null && whole.Test is null)
        {
            await move.RunAndMoveAsync(whole, served, cancellationToken).ConfigureAwait(false);
            // From here on it lives by itself, and nothing that fails removes it.
            _isCompleted = true;
            await move.EndAsync(whole, served).ConfigureAwait(false);
            return Read();
        }
        calls.Make("end building", (whole with { Building = null }).WriteNamed);
        _isCompleted = true;
        return Read();
    }

    public async ValueTask DisposeAsync()
    {
        if (_isCompleted) return;
        foreach (MachineDiskTarget target in _targets) target.Dispose();
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        await builder.RemoveUnfinishedAsync(new UnfinishedAppliance(NativeId, machine.Name,
            machine.Building!.BuildId, machine.Building.StartedUtc), limit.Token).ConfigureAwait(false);
    }

    /// <summary>
    /// The firmware that the original says it has, or else the one that its boot disk is made for; with the
    /// variables that the point holds, or fresh ones.
    /// </summary>
    private async Task<Machine> WithFirmwareAsync(Machine whole, CancellationToken cancellationToken)
    {
        MachineDisk? boot = whole.Disks.FirstOrDefault(d => d.Role == DiskRole.System) ?? whole.Disks.FirstOrDefault();
        if (!isFirmwareKnown && variables is null && boot is not null)
            whole = whole with
            {
                Firmware = boot.Export is null
                    ? BootDisk.Read(whole.FullPath(boot.Path))
                    : await BootDisk.ReadServedAsync(whole.DiskSocket, boot.Export, cancellationToken)
                        .ConfigureAwait(false),
            };
        if (whole.Firmware != Firmware.Uefi) return whole;
        UefiFirmware uefi = UefiFirmware.Require();
        string file = whole.FullPath(NvramFile);
        calls.Make("make variables", () =>
        {
            if (variables is null) File.Copy(uefi.Variables, file, overwrite: true);
            else File.WriteAllBytes(file, variables.Content.ToArray());
        });
        return whole with { Nvram = NvramFile };
    }

    private void Verify(Machine whole)
    {
        Machine? there = calls.Make("read back", () => Machine.Find(machine.Folder));
        string? wrong = there is null || there.Id != whole.Id || there.Building?.BuildId != whole.Building?.BuildId
            ? "its description is not the one that was written"
            : _targets.Where(t => new FileInfo(whole.FullPath(t.Disk.Path)) is not { Exists: true } file
                    || file.Length != t.SizeBytes)
                .Select(t => $"the disk '{t.Disk.Id}' is not as it was written").FirstOrDefault();
        if (wrong is not null)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The VM '{machine.Name}' is not as it was made: {wrong}.", machine.Folder,
                "See whether another program works in this folder.");
    }

    private ApplianceDescription Read() =>
        ApplianceFolder.Read(machine.Folder, QemuHypervisorKind.Name)?.Description
        ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"The VM '{machine.Name}' is gone from '{machine.Folder}'.", machine.Folder);

    /// <summary>A file name for a disk, which no other one has.</summary>
    private string FileOf(string diskId, string ending)
    {
        string name = MachineFolders.FileNameOf(diskId);
        HashSet<string> taken = new(_targets.Select(t => t.Disk.Path), StringComparer.OrdinalIgnoreCase);
        for (int i = 2; ; i++)
        {
            string file = name + ending;
            if (!taken.Contains(file)) return file;
            name = $"{MachineFolders.FileNameOf(diskId)}-{i}";
        }
    }
}
