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
    BuildMark mark, IReadOnlyList<NetworkPlace> networks, IReadOnlyDictionary<string, DiskPlace> places,
    IReadOnlyList<string> formerAddresses) : IApplianceUnderConstruction
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    private readonly List<BuiltDisk> _disks = [];
    private bool _isOver;

    public string NativeId => machineId;

    public IDiskTarget GetDisk(string diskId, long sizeBytes)
    {
        string path = $@"{mark.Folder}\{FileNameOf(diskId)}.vhdx";
        var disk = new BuiltDisk(places[diskId], path, sizeBytes,
            new WatchedTarget(new VhdxDiskTarget(host.Files.ToLocal(path))));
        lock (_disks) _disks.Add(disk);
        return disk.Target;
    }

    public async Task<ApplianceDescription> CompleteAsync(CancellationToken cancellationToken)
    {
        if (_disks.Exists(d => !d.Target.IsCompleted))
            throw new InvalidOperationException("A disk was not written to its end.");
        Machine machine = await ReadAsync(cancellationToken).ConfigureAwait(false);
        foreach (BuiltDisk disk in _disks.OrderBy(d => d.Place.Slot))
            await MachineFactory.AttachAsync(machine, disk.Place, disk.Path, cancellationToken).ConfigureAwait(false);
        machine = await ReadAsync(cancellationToken).ConfigureAwait(false);
        await MachineFactory.PutDisksFirstAsync(machine, cancellationToken).ConfigureAwait(false);
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
        if (!made.Networks.Select(n => (n.Name.ToUpperInvariant(), n.Vlan)).SequenceEqual(networks
            .Select(n => (n.Switch.Name.ToUpperInvariant(), n.Vlan))))
            wrong.Add($"its adapters are on {string.Join(", ", made.Networks)} instead of "
                + string.Join(", ", networks));
        // The original may be on the same network: two of one address would be in each other's way.
        if (made.Networks.FirstOrDefault(n => n.MacAddress is string mac && formerAddresses.Any(f => IsSame(f, mac)))
            is ApplianceNetwork twin)
            wrong.Add($"an adapter has the address of the original's ({twin.MacAddress})");
        if (NoteText.Build(machine.Settings.Texts("Notes")) != mark) wrong.Add("its notes are another's");
        if (wrong.Count > 0)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The VM '{name}' is not as it was to be: {string.Join("; ", wrong)}.", name,
                "See on the host who changed it, and try again.");
    }

    private static bool IsSame(string one, string other) =>
        string.Equals(Digits(one), Digits(other), StringComparison.OrdinalIgnoreCase);

    private static string Digits(string address) => new([.. address.Where(char.IsLetterOrDigit)]);

    /// <summary>An id that another hypervisor gave may hold what no file's name may.</summary>
    private static string FileNameOf(string diskId) =>
        new([.. diskId.Select(c => char.IsLetterOrDigit(c) || c is '-' or '_' ? c : '-')]);

    private sealed record BuiltDisk(DiskPlace Place, string Path, long SizeBytes, WatchedTarget Target);
}
