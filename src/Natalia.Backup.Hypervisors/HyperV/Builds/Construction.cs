using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>A VM that is being built on a host.</summary>
internal sealed class Construction(BuilderService builder, HyperVHost host, string machineId, string name,
    BuildMark mark, IReadOnlyList<string> networks, IReadOnlyList<string> diskIds) : IApplianceUnderConstruction
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    private readonly List<BuiltDisk> _disks = [];
    private bool _isOver;

    public string NativeId => machineId;

    public IDiskTarget GetDisk(string diskId, long sizeBytes)
    {
        int place = 0;
        while (place < diskIds.Count && diskIds[place] != diskId) place++;
        string path = $@"{mark.Folder}\{FileNameOf(diskId)}.vhdx";
        var disk = new BuiltDisk(place, path, sizeBytes,
            new WatchedTarget(new VhdxDiskTarget(host.Files.ToLocal(path))));
        lock (_disks) _disks.Add(disk);
        return disk.Target;
    }

    public async Task<ApplianceDescription> CompleteAsync(CancellationToken cancellationToken)
    {
        if (_disks.Exists(d => !d.Target.IsCompleted))
            throw new InvalidOperationException("A disk was not written to its end.");
        Machine machine = await ReadAsync(cancellationToken).ConfigureAwait(false);
        foreach (BuiltDisk disk in _disks.OrderBy(d => d.Place))
            await MachineFactory.AttachAsync(machine, disk.Place, disk.Path, cancellationToken).ConfigureAwait(false);
        machine = await ReadAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyDictionary<string, string> switches = await MachineReader.SwitchesAsync(host,
            cancellationToken).ConfigureAwait(false);
        ApplianceDescription made = await MachineReader.DescribeAsync(machine, switches,
            cancellationToken).ConfigureAwait(false);
        Verify(made, machine);
        await NoteBook.ChangeAsync(machine, NoteText.WithoutBuild, cancellationToken).ConfigureAwait(false);
        _isOver = true;
        return made;
    }

    public async ValueTask DisposeAsync()
    {
        if (_isOver) return;
        _isOver = true;
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        await builder.RemoveUnfinishedAsync(new UnfinishedAppliance(machineId, name, mark.BuildId, mark.StartedUtc),
            limit.Token).ConfigureAwait(false);
    }

    private async Task<Machine> ReadAsync(CancellationToken cancellationToken) =>
        await MachineReader.FindAsync(host, machineId, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The VM '{name}' that was being built is no longer on the Hyper-V host '{host.Name}'.", name,
                "See who removed it, and try again.");

    /// <summary>What was read back must be what was wanted.</summary>
    private void Verify(ApplianceDescription made, Machine machine)
    {
        var wrong = new List<string>();
        foreach (BuiltDisk disk in _disks)
        {
            ApplianceDisk? there = made.Disks.FirstOrDefault(d => string.Equals(d.Location, disk.Path,
                StringComparison.OrdinalIgnoreCase));
            if (there is null) wrong.Add($"the disk '{disk.Path}' is not attached");
            else if (there.SizeBytes is long size && size < disk.SizeBytes)
                wrong.Add($"the disk '{disk.Path}' has {size} bytes instead of {disk.SizeBytes}");
        }
        if (made.Disks.Count != _disks.Count) wrong.Add($"it has {made.Disks.Count} disks instead of {_disks.Count}");
        if (!made.Networks.Select(n => n.Name).SequenceEqual(networks, StringComparer.OrdinalIgnoreCase))
            wrong.Add($"its adapters are on {string.Join(", ", made.Networks.Select(n => n.Name))} instead of "
                + string.Join(", ", networks));
        if (NoteText.Build(machine.Settings.Texts("Notes")) != mark) wrong.Add("its notes are another's");
        if (wrong.Count > 0)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The VM '{name}' is not as it was to be: {string.Join("; ", wrong)}.", name,
                "See on the host who changed it, and try again.");
    }

    /// <summary>An id that another hypervisor gave may hold what no file's name may.</summary>
    private static string FileNameOf(string diskId) =>
        new([.. diskId.Select(c => char.IsLetterOrDigit(c) || c is '-' or '_' ? c : '-')]);

    private sealed record BuiltDisk(int Place, string Path, long SizeBytes, WatchedTarget Target);
}
