using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>Builds VMs: their records stand in their notes from their first moment on.</summary>
internal sealed class BuilderService(HyperVSite site) : IApplianceBuilder
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    internal HyperVSite Site => site;

    public async Task<IApplianceUnderConstruction> BeginAsync(ApplianceDescription like, BuildRequest how,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        FormerSettings former = FormerSettings.Of(like);
        HyperVHost host = await ChooseHostAsync(how.Placement.VMHost, cancellationToken).ConfigureAwait(false);
        await RequireFreeNameAsync(how.Name, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<VirtualSwitch> switches = await VirtualSwitch.ListAsync(host, cancellationToken)
            .ConfigureAwait(false);
        List<NetworkPlace> places = [.. like.Networks.Select(n => PlaceOf(host, switches, n, how))];
        if (how.Isolation is Isolation isolated)
            await RequireIsolatedAsync(host, NetworkPlace.Find(host, switches, isolated.Network), cancellationToken)
                .ConfigureAwait(false);
        string folder = await MachineFolder.ChooseAsync(host, how.Placement.Storage, cancellationToken)
            .ConfigureAwait(false);
        // Whole seconds, as the marks tell them to whoever finds the VM.
        DateTime now = host.UtcNow;
        now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond));
        var build = new BuildMark(how.BuildId, now, folder);
        string notes = build.ToLine();
        if (how.Isolation is Isolation isolation)
            notes = $"A restore test's VM. It is destroyed when the test ends.\r\n{notes}\r\n"
                + new TestMark(isolation.RunId, now, folder, isolation.Network).ToLine();
        try
        {
            Machine machine = await MachineFactory.DefineAsync(host, how.Name, former, notes, cancellationToken)
                .ConfigureAwait(false);
            await MachineFactory.EquipAsync(machine, like.ProcessorCount, how.MemoryBytes ?? like.MemoryBytes, places,
                cancellationToken).ConfigureAwait(false);
            MachineFolder.Create(host, folder);
            return new Construction(this, host, machine.Id, how.Name, build, places,
                DiskPlace.Choose(like.Disks, former.IsSecondGeneration),
                [.. like.Networks.Select(n => n.MacAddress).OfType<string>()]);
        }
        catch (Exception failure)
        {
            if (await FailedBuild.RemoveAsync(() => RemoveAsync(host, build), how.Name, null, failure)
                .ConfigureAwait(false) is NataliaException left)
                throw left;
            throw;
        }
    }

    public async Task<IReadOnlyList<UnfinishedAppliance>> FindUnfinishedAsync(CancellationToken cancellationToken)
    {
        var found = new List<UnfinishedAppliance>();
        (IReadOnlyList<HyperVHost> hosts, IReadOnlyList<string> away) = await site.LookAsync(cancellationToken)
            .ConfigureAwait(false);
        foreach (HyperVHost host in hosts)
        {
            foreach (CimRow settings in await ActiveAsync(host, cancellationToken).ConfigureAwait(false))
            {
                if (NoteText.Build(settings.Texts("Notes")) is BuildMark mark
                    && settings.Text("VirtualSystemIdentifier") is string id)
                    found.Add(new UnfinishedAppliance(id, settings.Text("ElementName") ?? id, mark.BuildId,
                        mark.StartedUtc));
            }
        }
        return PartialCollection.Of(found, away);
    }

    public async Task RemoveUnfinishedAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken)
    {
        if (await site.FindOrKnowGoneAsync(unfinished.NativeId, cancellationToken).ConfigureAwait(false)
            is not Machine machine)
            return;
        if (NoteText.Build(machine.Settings.Texts("Notes")) is not BuildMark mark || mark.BuildId != unfinished.BuildId)
            throw new NataliaException(ErrorIds.NotAnUnfinishedAppliance, NataliaErrorKind.Security,
                $"The VM {unfinished.NativeId} ('{machine.Name}') does not carry the record of the building "
                + $"{unfinished.BuildId}, and was left alone.", unfinished.NativeId,
                "Look at it. If nobody needs it, remove it by hand.");
        if (NoteText.Test(machine.Settings.Texts("Notes")) is null
            && await WhyInUseAsync(machine, mark, cancellationToken).ConfigureAwait(false) is string use)
            throw FailedBuild.InUse(unfinished.NativeId, machine.Name, use,
                $"the line '{BuildMark.Prefix}' from its notes");
        await MachineFactory.DestroyAsync(machine, mark.Folder, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Why a VM that bears the record of a building is somebody's all the same: this product starts none that still
    /// bears it, freezes none, and gives it no disk of others. Null when nothing says so.
    /// </summary>
    private static async Task<string?> WhyInUseAsync(Machine machine, BuildMark mark,
        CancellationToken cancellationToken)
    {
        // Msvm_ComputerSystem.EnabledState: 3 off.
        if (machine.System.Number("EnabledState") != 3) return "it was started";
        if (machine.Disks.FirstOrDefault(d => !MachineFolder.Holds(mark.Folder, d)) is DiskSlot foreign)
            return $"it has a disk that the building did not make ('{foreign.Path ?? foreign.DiskId}')";
        return (await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false)).Snapshots.Count > 0
            ? "it has checkpoints" : null;
    }

    /// <summary>The settings in force of all VMs of a host.</summary>
    internal static Task<IReadOnlyList<CimRow>> ActiveAsync(HyperVHost host, CancellationToken cancellationToken) =>
        host.QueryAsync(Wql.Where("Msvm_VirtualSystemSettingData", "VirtualSystemType",
            "Microsoft:Hyper-V:System:Realized"), cancellationToken);

    internal static async Task<IReadOnlyList<Machine>> FindAsync(HyperVHost host, Func<Machine, bool> wanted,
        CancellationToken cancellationToken)
    {
        var found = new List<Machine>();
        foreach (CimRow system in await MachineReader.ListAsync(host, cancellationToken).ConfigureAwait(false))
        {
            Machine? machine = await MachineReader.ReadAsync(host, system, cancellationToken).ConfigureAwait(false);
            if (machine is not null && wanted(machine)) found.Add(machine);
        }
        return found;
    }

    private async Task<HyperVHost> ChooseHostAsync(string? name, CancellationToken cancellationToken)
    {
        if (name is null) return site.First;
        IReadOnlyList<HyperVHost> hosts = await site.HostsAsync(cancellationToken).ConfigureAwait(false);
        return hosts.FirstOrDefault(h => string.Equals(h.Name, name, StringComparison.OrdinalIgnoreCase)
            || h.Name.StartsWith(name + ".", StringComparison.OrdinalIgnoreCase))
            ?? throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
                $"The Hyper-V '{site.First.Name}' has no VM host '{name}'.", name,
                Offer.Of(hosts.Select(h => h.Name)));
    }

    private async Task RequireFreeNameAsync(string name, CancellationToken cancellationToken)
    {
        foreach (HyperVHost host in await site.HostsAsync(cancellationToken).ConfigureAwait(false))
        {
            IReadOnlyList<CimRow> there = await host.QueryAsync(Wql.Where("Msvm_ComputerSystem", "ElementName", name),
                cancellationToken).ConfigureAwait(false);
            if (there.Count > 0)
                throw new NataliaException(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists,
                    $"A VM of the Hyper-V host '{host.Name}' is called '{name}' already.", name,
                    "Choose another name.");
        }
    }

    private static async Task RemoveAsync(HyperVHost host, BuildMark mark)
    {
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        foreach (Machine left in await FindAsync(host, m => NoteText.Build(m.Settings.Texts("Notes")) == mark,
            limit.Token).ConfigureAwait(false))
            await MachineFactory.DestroyAsync(left, mark.Folder, limit.Token).ConfigureAwait(false);
    }

    /// <summary>
    /// Where an adapter goes: of a test to the isolated place, else to the one that was said instead, else to where it
    /// was, with its VLAN.
    /// </summary>
    private static NetworkPlace PlaceOf(HyperVHost host, IReadOnlyList<VirtualSwitch> switches,
        ApplianceNetwork network, BuildRequest how)
    {
        if (how.Isolation is Isolation isolation) return NetworkPlace.Find(host, switches, isolation.Network);
        if (how.Networks.TryGetValue(network.Name, out string? other))
            return NetworkPlace.Find(host, switches, other);
        return NetworkPlace.Find(host, switches, network.Name) with { Vlan = network.Vlan };
    }

    /// <summary>A test VM is not even made where something leads out.</summary>
    private static async Task RequireIsolatedAsync(HyperVHost host, NetworkPlace place,
        CancellationToken cancellationToken)
    {
        SwitchReach reach = await SwitchReach.ReadAsync(host, place.Switch, cancellationToken).ConfigureAwait(false);
        if (reach.Result == CheckOutcome.Passed) return;
        throw new NataliaException(ErrorIds.IsolationNotProven, NataliaErrorKind.Security,
            $"No test VM is made on the switch '{place.Switch.Name}' of the Hyper-V host '{host.Name}': it may lead to "
            + $"{SwitchReach.Expected}, and what was found is: {reach.Actual}.", place.Switch.Name,
            "Make an internal switch for tests: New-VMSwitch natalia-test -SwitchType Internal. Without NAT and "
            + "without routing on the host nothing leaves it.");
    }
}
