using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// Makes VMs as folders: raw images, attachments and a description. The folder is hidden until all of it is written and
/// flushed; then one rename makes it a VM.
/// </summary>
/// <param name="location">The connected directory.</param>
/// <param name="list">Lists the VMs that are there.</param>
/// <param name="clock">The clock.</param>
/// <param name="onStep">Told before each change of the directory; or null.</param>
internal sealed class FolderBuilder(string location, Func<CancellationToken, Task<ApplianceInventory>> list,
    TimeProvider clock, Action<string>? onStep)
    : IApplianceBuilder, IAttachmentBuilder
{
    /// <summary>A folder keeps what it is given; whoever starts the VM knows what it is good for.</summary>
    public bool Takes(ApplianceAttachment attachment, string hypervisorKind) => true;

    public async Task<IApplianceUnderConstruction> BeginAsync(ApplianceDescription like, BuildRequest how,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CheckPlace(how);
        CheckNetworks(like, how);
        string folder = Path.Combine(location, FolderName(how.Name));
        await RefuseNameAsync(how.Name, folder, cancellationToken).ConfigureAwait(false);
        var building = BuildingFolder.Create(location, Guid.NewGuid().ToString(), how.BuildId,
            clock.GetUtcNow().UtcDateTime);
        Step("begin");
        try
        {
            // What lies in it is as secret as the appliance.
            PrivateFolder.Create(building.Path);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"No VM can be made in '{location}': {e.Message}", location,
                "Give this user the right to write there.", e);
        }
        return new FolderUnderConstruction(this, building, like, how, folder);
    }

    public Task<IReadOnlyList<UnfinishedAppliance>> FindUnfinishedAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<UnfinishedAppliance>>([.. BuildingFolder.FindAll(location)
            .Select(b => new UnfinishedAppliance(b.NativeId, b.ReadName(), b.BuildId, b.StartedUtc))]);

    public async Task RemoveUnfinishedAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken)
    {
        BuildingFolder? there = BuildingFolder.FindAll(location).FirstOrDefault(b => b.NativeId == unfinished.NativeId);
        if (there is null)
        {
            ApplianceInventory inventory = await list(cancellationToken).ConfigureAwait(false);
            if (inventory.All(a => a.NativeId != unfinished.NativeId)) return;
        }
        if (there?.BuildId != unfinished.BuildId)
            throw new NataliaException(ErrorIds.NotAnUnfinishedAppliance, NataliaErrorKind.Security,
                $"The VM {unfinished.NativeId} in '{location}' does not carry the record of the building "
                + $"{unfinished.BuildId}, and was left alone.",
                unfinished.NativeId, "See what took its place.");
        Step("remove");
        try
        {
            Directory.Delete(there.Path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody else removed it.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"The unfinished VM '{there.Path}' cannot be removed: {e.Message}", there.Path, "Remove it by hand.",
                e);
        }
    }

    /// <summary>Flushes the names in a folder: the system, but for tests that let it fail.</summary>
    internal Action<string> FlushFolder { get; set; } = StableFile.FlushFolder;

    internal void Step(string what) => onStep?.Invoke(what);

    internal static NataliaException NameInUse(string name, string folder) =>
        new(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists,
            $"There is a VM '{name}', or a folder '{folder}', already.", name, "Give the new one another name.");

    /// <summary>The VM's name as the name of a folder that is listed, on every system.</summary>
    private static string FolderName(string name)
    {
        const int most = 80;
        string clean = new([.. name.Take(most).Select(c =>
            char.IsLetterOrDigit(c) || c is '-' or '_' or '.' or ' ' ? c : '_')]);
        clean = clean.Trim(' ').TrimEnd('.');
        // A hidden one is not listed, and some systems have devices of such names.
        return clean.Length == 0 || clean[0] == '.' || !ApplianceAttachment.IsName(clean) && clean.All(c => c < 128
            && c != ' ') || clean == "lost+found"
            ? "_" + clean
            : clean;
    }

    private void CheckPlace(BuildRequest how)
    {
        if (!Directory.Exists(location))
            throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
                $"There is no folder '{location}'.", location, "Name the folder that holds one folder per VM.");
        if (DescriptionFile.IsIn(location))
            throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.InvalidOperation,
                $"The folder '{location}' is a VM itself, so none can be made in it.", location,
                "Connect the folder above it, or another one.");
        if (how.Isolation is not null)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The Folder hypervisor '{location}' starts no VM, so that none can be isolated there.", location);
        if ((how.Placement.Storage ?? how.Placement.VMHost ?? how.Placement.Group) is string place)
            throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound,
                $"The Folder hypervisor '{location}' has neither storages nor VM hosts, so no '{place}'.", place,
                "Leave it out: the VM is made in the connected folder.");
    }

    /// <summary>
    /// A network is a name on paper here; but one that the VM does not have was meant for another one.
    /// </summary>
    private void CheckNetworks(ApplianceDescription like, BuildRequest how)
    {
        foreach (string network in how.Networks.Keys)
        {
            if (like.Networks.Any(n => n.Name == network)) continue;
            throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
                $"The VM '{like.Name}' has no network '{network}'.", network,
                like.Networks.Count == 0
                    ? "Leave -Network out: no networks of it are known."
                    : $"It has: {string.Join(", ", like.Networks.Select(n => n.Name).Distinct())}.");
        }
    }

    private async Task RefuseNameAsync(string name, string folder, CancellationToken cancellationToken)
    {
        ApplianceInventory inventory = await list(cancellationToken).ConfigureAwait(false);
        if (inventory.Any(a => string.Equals(a.Name, name, StringComparison.OrdinalIgnoreCase))
            || Directory.Exists(folder) || File.Exists(folder))
            throw NameInUse(name, folder);
    }
}
