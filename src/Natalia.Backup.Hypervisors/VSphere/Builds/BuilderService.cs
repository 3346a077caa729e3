using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Backups;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>
/// Builds VMs: made without disks and with their records, then the disks are uploaded to a folder of their own, then
/// they are attached.
/// </summary>
/// <param name="machines">The inventory.</param>
internal sealed class BuilderService(MachineFinder machines) : IApplianceBuilder, IAttachmentBuilder
{
    internal static readonly TimeSpan CleanUpLimit = TimeSpan.FromMinutes(10);

    private const string Record = $"the line {BuildMark.Key} from its extra configuration";

    internal MachineFinder Machines => machines;

    internal MachineTasks Tasks { get; } = new(machines.Vim);

    internal DatastoreFiles Files { get; } = new(machines.Vim);

    internal SiteFinder Sites { get; } = new(machines);

    /// <summary>UEFI variables mean something to this hypervisor's firmware alone.</summary>
    public bool Takes(ApplianceAttachment attachment, string hypervisorKind) =>
        hypervisorKind == MachineFinder.Kind && attachment.Kind == AttachmentKind.UefiVariables
            && attachment.Name == FirmwareFile.Name;

    public async Task<IApplianceUnderConstruction> BeginAsync(ApplianceDescription like, BuildRequest how,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        FormerSettings former = FormerSettings.Of(like);
        await RequireFreeNameAsync(how.Name, cancellationToken).ConfigureAwait(false);
        List<string> networks = [.. like.Networks.Select(n => how.Isolation?.Network
            ?? (how.Networks.TryGetValue(n.Name, out string? other) ? other : n.Name))];
        Site site = await Sites.FindAsync(how.Placement, networks,
            [.. like.Disks.Select(d => d.Location).OfType<string>()], cancellationToken).ConfigureAwait(false);
        // Whole seconds, as the marks tell them to whoever finds the VM.
        DateTime now = machines.Vim.Clock.UtcNow();
        now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond));
        var mark = new BuildMark(how.BuildId, now, BuildMark.NewFolder(site.Datastore));
        var options = new List<XElement>
        {
            Marks.Option(BuildMark.Key, mark.ToText()),
            Marks.Option(BuildMark.FolderKey, mark.Folder),
            // Whoever copies its files elsewhere later is not asked either.
            Marks.Option("uuid.action", "create"),
        };
        if (how.Isolation is Isolation isolation)
        {
            // The guest sees this one (vmware-rpctool), and knows what it was started for.
            options.Add(Marks.Option("guestinfo.natalia-restore-test", isolation.RunId));
            options.Add(Marks.Option(TestMark.Key, new TestMark(isolation.RunId, now, isolation.Network).ToText()));
        }
        try
        {
            XElement? made = await Tasks.RunAsync(site.Folder, "CreateVM_Task", $"the making of '{how.Name}'",
                [
                    MachineSpec.Create(like, how, former, site, options),
                    VimXml.Element("pool", site.Pool),
                    VimXml.Element("host", site.Host),
                ], cancellationToken).ConfigureAwait(false);
            VirtualMachine machine = VimXml.ReferenceOf(made) is VimReference reference
                ? await VirtualMachine.ReadAsync(machines.Vim, reference, cancellationToken).ConfigureAwait(false)
                    ?? throw NotThere(how.Name)
                : throw NotThere(how.Name);
            await Files.MakeFolderAsync(site, mark.Folder, cancellationToken).ConfigureAwait(false);
            return new Construction(this, site, machine.InstanceUuid, how, mark, networks,
                MachineSpec.Places([.. like.Disks.Select(d => d.DiskId)]));
        }
        catch (Exception failure)
        {
            if (await FailedBuild.RemoveAsync(() => ClearAsync(mark), how.Name, null, failure).ConfigureAwait(false)
                is NataliaException left)
                throw left;
            throw;
        }
    }

    public async Task<IReadOnlyList<UnfinishedAppliance>> FindUnfinishedAsync(CancellationToken cancellationToken)
    {
        var found = new List<UnfinishedAppliance>();
        IReadOnlyList<VirtualMachine> marked = await MarkedAsync(BuildMark.Key, cancellationToken)
            .ConfigureAwait(false);
        foreach (VirtualMachine machine in marked)
            if (BuildMark.Of(machine.Config) is BuildMark mark)
                found.Add(new UnfinishedAppliance(machine.InstanceUuid, machine.Name, mark.BuildId, mark.StartedUtc));
        return PartialCollection.Of(found, PartialCollection.UnseenOf(marked));
    }

    public async Task RemoveUnfinishedAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken)
    {
        VirtualMachine? machine = await FindOrKnowGoneAsync(unfinished.NativeId,
            cancellationToken).ConfigureAwait(false);
        if (machine is null) return;
        if (BuildMark.Of(machine.Config) is not BuildMark mark || mark.BuildId != unfinished.BuildId)
            throw new NataliaException(ErrorIds.NotAnUnfinishedAppliance, NataliaErrorKind.Security,
                $"The VM {unfinished.NativeId} ('{machine.Name}') does not carry the record of the building "
                + $"{unfinished.BuildId}, and was left alone.", unfinished.NativeId,
                "Look at it. If nobody needs it, remove it by hand.");
        // A copy that somebody made of the VM bears its record as well.
        if (BuildMark.FindForeignDisk(machine, mark.Folder) is string foreign)
            throw FailedBuild.InUse(unfinished.NativeId, machine.Name,
                $"it has a disk that the building did not make ('{foreign}')", Record);
        if (TestMark.Of(machine.Config) is null && WhyInUse(machine) is string use)
            throw FailedBuild.InUse(unfinished.NativeId, machine.Name, use, Record);
        await DestroyAsync(machine, mark.Folder, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes a VM that is known to be ours, and then the folder of its disks: what is left is found by the
    /// VM's record as long as there is anything.</summary>
    internal async Task DestroyAsync(VirtualMachine machine, string? folder, CancellationToken cancellationToken)
    {
        await Tasks.PowerOffAsync(machine, cancellationToken).ConfigureAwait(false);
        // Disks that were uploaded and not attached would outlive the VM, so the folder goes first; what is attached
        // goes with the VM.
        bool hasDisks = machine.Disks.Count > 0;
        if (folder is not null && !hasDisks) await RemoveFolderAsync(machine, folder, cancellationToken)
            .ConfigureAwait(false);
        await Tasks.DestroyAsync(machine, cancellationToken).ConfigureAwait(false);
        if (folder is not null && hasDisks) await RemoveFolderAsync(machine, folder, cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>The VM; null when it is certain that it is gone, which a VM without a configuration leaves open.
    /// </summary>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>.</exception>
    internal async Task<VirtualMachine?> FindOrKnowGoneAsync(string nativeId, CancellationToken cancellationToken)
    {
        VirtualMachine? machine = await machines.FindAsync(nativeId, cancellationToken).ConfigureAwait(false);
        if (machine is null)
            PartialCollection.RequireWhole(
                [.. from m in await machines.ListAsync(cancellationToken).ConfigureAwait(false)
                    where m.Uuid.Length == 0
                    select Unread(m.Name)], nativeId, machines.Location);
        return machine;
    }

    /// <summary>The VMs that have an option in their extra configuration. One that is inaccessible or being made shows
    /// none, and may have it.</summary>
    internal async Task<IReadOnlyList<VirtualMachine>> MarkedAsync(string key, CancellationToken cancellationToken)
    {
        IReadOnlyList<VimObject> all = await machines.Vim.FindAsync(null, "VirtualMachine",
            ["name", "config.instanceUuid", "config.extraConfig"], cancellationToken).ConfigureAwait(false);
        List<string> unread = [.. all.Where(o => o["config.extraConfig"] is null && o["config.instanceUuid"] is null)
            .Select(o => Unread(o.Text("name") ?? o.Reference.Value))];
        List<VimReference> marked = [.. all.Where(o => o["config.extraConfig"]?.Elements()
            .Any(e => e.Text("key") == key && e.Text("value") is { Length: > 0 }) == true).Select(o => o.Reference)];
        if (marked.Count == 0) return PartialCollection.Of<VirtualMachine>([], unread);
        return PartialCollection.Of<VirtualMachine>([.. (await machines.Vim.GetPropertiesAsync(marked,
            VirtualMachine.Paths, cancellationToken).ConfigureAwait(false)).Select(o => new VirtualMachine(o))
            .Where(m => m.InstanceUuid.Length > 0)], unread);
    }

    /// <summary>
    /// Why a VM that bears the record of a building is somebody's all the same: this product starts none that still
    /// bears it, and freezes none. Null when nothing says so.
    /// </summary>
    private static string? WhyInUse(VirtualMachine machine) =>
        machine.Power is "poweredOn" or "suspended" ? $"it was started (it is {machine.Power})"
        : machine.Snapshots.Count > 0 ? "it has snapshots"
        : null;

    private static string Unread(string name) => $"the VM '{name}', whose configuration is not shown";

    private async Task RemoveFolderAsync(VirtualMachine machine, string folder, CancellationToken cancellationToken)
    {
        // Only a folder that a building makes for itself; whatever else a record says stays.
        if (!BuildMark.IsFolder(folder)) return;
        VimReference datacenter = await Sites.DatacenterOfAsync(machine.Host,
            cancellationToken).ConfigureAwait(false);
        await Files.RemoveAsync(datacenter, folder, cancellationToken).ConfigureAwait(false);
    }

    private async Task ClearAsync(BuildMark mark)
    {
        using Deadline limit = machines.Vim.Clock.CreateDeadline(CleanUpLimit, CancellationToken.None);
        foreach (VirtualMachine left in await MarkedAsync(BuildMark.Key, limit.Token).ConfigureAwait(false))
            if (BuildMark.Of(left.Config) == mark)
                await DestroyAsync(left, mark.Folder, limit.Token).ConfigureAwait(false);
    }

    private async Task RequireFreeNameAsync(string name, CancellationToken cancellationToken)
    {
        if ((await machines.ListAsync(cancellationToken).ConfigureAwait(false)).Any(m => m.Name == name))
            throw new NataliaException(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists,
                $"A VM of '{machines.Location}' is called '{name}' already.", name, "Choose another name.");
    }

    private NataliaException NotThere(string name) =>
        new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
        $"'{machines.Location}' says that it made the VM '{name}', and it is not there.", name);
}
