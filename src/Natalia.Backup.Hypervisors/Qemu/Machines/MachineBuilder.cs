using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// Makes VMs in the connected folder. A VM's folder is made under a hidden name with its description, in which the
/// record of its building stands, and gets its own name in one step.
/// </summary>
internal sealed class MachineBuilder(string location, MachineFolders folders, HostCalls calls, TimeProvider clock)
    : IServedDiskBuilder, IAttachmentBuilder
{
    private const string MonitorSocket = "monitor.sock", AgentSocket = "agent.sock";

    private readonly MachineMove _move = new(calls, clock);

    /// <summary>
    /// Variables of this firmware, from a VM of QEMU here or in an exported folder; those of another make are of
    /// another size.
    /// </summary>
    public bool Takes(ApplianceAttachment attachment, string hypervisorKind) =>
        attachment.Kind == AttachmentKind.UefiVariables
        && hypervisorKind is QemuHypervisorKind.Name or ApplianceFolder.Kind
        && UefiFirmware.Find() is UefiFirmware uefi
        && new FileInfo(uefi.Variables).Length == attachment.Content.Length;

    public Task<IApplianceUnderConstruction> BeginAsync(ApplianceDescription like, BuildRequest how,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CheckPlace(how);
        IReadOnlyList<ApplianceNetwork> networks = CheckNetworks(like, how);
        folders.SweepEmpty();
        MachineHints hints = MachineHints.From(like);
        string id = Guid.NewGuid().ToString();
        DateTime now = clock.UtcNow();
        var machine = new Machine
        {
            Folder = folders.NewHidden(id),
            Id = id,
            Name = how.Name,
            ProcessorCount = Math.Max(1, Math.Min(like.ProcessorCount ?? 2, Environment.ProcessorCount)),
            MemoryBytes = HostMemory.Bound(how.MemoryBytes ?? like.MemoryBytes ?? 2L << 30, how.Isolation is null
                ? null
                : HostMemory.GetAvailable()),
            Networks = networks,
            Firmware = hints.Firmware ?? (how.Attachments.Any(a => a.Kind == AttachmentKind.UefiVariables)
                ? Firmware.Uefi
                : Firmware.Bios),
            Bus = hints.Bus,
            MonitorSocket = MonitorSocket,
            AgentSocket = AgentSocket,
            Building = new BuildRecord(how.BuildId, now),
            Test = how.Isolation is Isolation test ? new TestMark(test.RunId, test.Network, now) : null,
        };
        Machine made = machine with { Folder = folders.Named(how.Name) };
        RefuseName(how.Name, made.Folder);
        if (!Protocol.UnixSocket.Fits(made.Monitor!)) throw Protocol.UnixSocket.TooLong(made.Monitor!);
        Make(machine, made.Folder);
        return Task.FromResult<IApplianceUnderConstruction>(new MachineUnderConstruction(made, like,
            hints.Firmware is not null,
            how.Attachments.FirstOrDefault(a => a.Kind == AttachmentKind.UefiVariables), how.ServedDisks, this, _move,
            calls));
    }

    public Task<IReadOnlyList<UnfinishedAppliance>> FindUnfinishedAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<UnfinishedAppliance>>([.. calls.Make("list", folders.GetAll)
            .Where(m => m is { Building: not null, Id: not null })
            .Select(m => new UnfinishedAppliance(m.Id!, m.Name, m.Building!.BuildId, m.Building.StartedUtc))]);

    public Task<bool> TryCompleteAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken) =>
        calls.Make("find", () => folders.Find(unfinished.NativeId)) is Machine machine
            && machine.Building?.BuildId == unfinished.BuildId
            ? _move.TryEndAsync(machine, cancellationToken)
            : Task.FromResult(false);

    public async Task RemoveUnfinishedAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken)
    {
        if (calls.Make("find", () => folders.Find(unfinished.NativeId)) is not Machine machine) return;
        if (machine.Building?.BuildId != unfinished.BuildId)
            throw new NataliaException(ErrorIds.NotAnUnfinishedAppliance, NataliaErrorKind.Security,
                $"The VM {unfinished.NativeId} in '{machine.Folder}' does not carry the record of the building "
                + $"{unfinished.BuildId}, and was left alone.",
                unfinished.NativeId, "See what took its place.");
        // What this product starts before the record is gone runs from disks that are served to it, or is a test's.
        if (machine.Test is null && machine.Disks.All(d => d.Export is null)
            && calls.Make("find process", () => MachineProcess.Find(unfinished.NativeId)) is not null)
            throw FailedBuild.InUse(unfinished.NativeId, machine.Name, "it was started",
                $"'building' from the vm.json in '{machine.Folder}'");
        await calls.MakeAsync("stop", () => MachineProcess.StopAsync(unfinished.NativeId, machine.Monitor,
            cancellationToken)).ConfigureAwait(false);
        Remove(machine);
    }

    internal void Remove(Machine machine)
    {
        try
        {
            folders.Remove(machine, calls);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or DirectoryNotFoundException)
        {
            if (!Directory.Exists(machine.Folder)) return;
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"The VM's folder '{machine.Folder}' cannot be removed: {e.Message}", machine.Folder,
                "Remove it by hand.", e);
        }
    }

    /// <summary>Makes the folder with its description, and lets it be seen.</summary>
    private void Make(Machine machine, string named)
    {
        try
        {
            // What lies in it is as secret as the appliance, and its sockets command the VM.
            calls.Make("make folder", () => PrivateFolder.Create(machine.Folder));
            calls.Make("write description", machine.Write);
            calls.Make("name folder", () => Directory.Move(machine.Folder, named));
        }
        catch (Exception e) when (e is UnauthorizedAccessException)
        {
            Discard(machine);
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"No VM can be made in '{location}': {e.Message}", location, "Give this user the right to write there.",
                e);
        }
        catch (IOException)
        {
            // It is not the one that has the name meanwhile: it never got it.
            Discard(machine);
            if (Directory.Exists(named)) throw NameInUse(machine.Name);
            throw;
        }
    }

    /// <summary>Removes the folder that did not get its name, without hiding why.</summary>
    private void Discard(Machine machine)
    {
        try
        {
            if (Directory.Exists(machine.Folder)) folders.Remove(machine, calls);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What is left has no name and no disks; one that is empty goes with the next VM that is made.
        }
    }

    private void CheckPlace(BuildRequest how)
    {
        if (!Directory.Exists(location))
            throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
                $"The folder '{location}' is gone.", location);
        if (File.Exists(Path.Combine(location, "vm.json")))
            throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.InvalidOperation,
                $"The connected folder '{location}' is a VM itself, so none can be made in it.", location,
                "Connect the folder that holds one folder per VM.");
        if ((how.Placement.Storage ?? how.Placement.VMHost ?? how.Placement.Group) is string elsewhere)
            throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound,
                $"There is no place '{elsewhere}': VMs of this hypervisor lie in '{location}'.", elsewhere,
                "Leave the place out, or connect another folder.");
    }

    private static IReadOnlyList<ApplianceNetwork> CheckNetworks(ApplianceDescription like, BuildRequest how)
    {
        if (how.Isolation is Isolation isolation)
        {
            if (!QemuNetworks.IsIsolated(isolation.Network)) throw QemuNetworks.NotFound(isolation.Network);
            return [.. like.Networks.Select(n => n with { Name = isolation.Network, Vlan = null })];
        }
        if (how.Networks.Values.FirstOrDefault(n => !QemuNetworks.CanConnect(n)) is string unknown)
            throw QemuNetworks.NotFound(unknown);
        // A VM that stays has addresses of its own: its original may be there, too.
        List<ApplianceNetwork> networks = [.. like.Networks.Select(n => n with { MacAddress = null }).Select(n =>
            how.Networks.TryGetValue(n.Name, out string? other) ? n with { Name = other, Vlan = null } : n)];
        return how.IsToStart && networks.Find(n => !QemuNetworks.CanConnect(n.Name)) is ApplianceNetwork absent
            ? throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
                $"The VM cannot be started, because there is no network '{absent.Name}' for VMs on this machine.",
                absent.Name, $"Name another one: -Network @{{ '{absent.Name}' = '{QemuNetworks.None}' }} connects it "
                + "to nothing; a bridge of this machine can be named as well. Or do not start it.")
            : networks;
    }

    private void RefuseName(string name, string folder)
    {
        bool isTaken = Directory.Exists(folder) || File.Exists(folder)
            || calls.Make("list names", folders.GetAll)
                .Any(m => m.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        if (isTaken) throw NameInUse(name);
    }

    private NataliaException NameInUse(string name) =>
        new(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists,
        $"In '{location}' there is a VM '{name}' already, or something else of that name.", name,
        "Choose another name.");
}
