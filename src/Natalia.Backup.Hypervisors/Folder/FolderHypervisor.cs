using System.Text.Encodings.Web;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// A directory of exported or switched-off VMs: one folder per VM, with its disk images and, where somebody wrote one,
/// a description <c>vm.json</c>.
/// </summary>
/// <remarks>
/// A folder without a description is a VM named like it, as soon as it holds an image. An exported OVF or OVA describes
/// its VM itself. A description right in the
/// directory makes that directory one VM, whose subfolders are its own; images right in it are a VM beside those of the
/// subfolders. Folders that are hidden are left out. Everything is read anew at each call. Whoever fills the directory
/// can say what changed in an image since its last state; then an incremental reads only that
/// (<c>docs/hypervisor-folder.md</c>).
/// </remarks>
public sealed class FolderHypervisor : IHypervisor, IImageSource, IAttachmentSource
{
    private readonly TimeProvider _clock;
    private readonly FolderBuilder _builder;
    private readonly FolderDiskReplacer _replacer;
    private readonly FolderPrerequisites _prerequisites;

    private FolderHypervisor(string location, TimeProvider clock, string kind, Action<string>? onStep)
    {
        Location = location;
        _clock = clock;
        Kind = kind;
        _builder = new FolderBuilder(location, GetAppliancesAsync, clock, onStep);
        _replacer = new FolderDiskReplacer(FindAsync, clock);
        _prerequisites = new FolderPrerequisites(this);
    }

    /// <inheritdoc/>
    public string Kind { get; }

    /// <inheritdoc/>
    public string Location { get; }

    /// <summary>Opens a directory.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="clock">The clock that dates frozen states; null for the system's.</param>
    /// <exception cref="NataliaException"><c>HypervisorNotFound</c>.</exception>
    public static FolderHypervisor Open(string path, TimeProvider? clock = null) =>
        Open(path, clock, ApplianceFolder.Kind);

    /// <summary>Opens a directory for another hypervisor, whose VMs lie there in the same way; or for tests that let it
    /// fail at a change of the directory.</summary>
    internal static FolderHypervisor Open(string path, TimeProvider? clock, string kind, Action<string>? onStep = null)
    {
        var hypervisor = new FolderHypervisor(Path.GetFullPath(path), clock ?? TimeProvider.System, kind, onStep);
        hypervisor.RequireFolder();
        return hypervisor;
    }

    /// <inheritdoc/>
    public T? Find<T>() where T : class => this as T ?? _builder as T ?? _replacer as T ?? _prerequisites as T;

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>HypervisorNotFound</c> when the directory is gone. What is wrong with one
    /// VM is among the problems of the result.</exception>
    public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) => Task.Run(() =>
    {
        (List<FolderAppliance> found, List<NataliaException> problems) = Scan(cancellationToken);
        return new ApplianceInventory([.. found.Select(f => f.Description)], problems);
    }, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>A freeze here only opens images, and what is open ends with its process.</remarks>
    public Task<IReadOnlyList<Leftover>> FindLeftoversAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<Leftover>>([]);

    /// <inheritdoc/>
    public Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    /// <exception cref="NataliaException">
    /// <c>ApplianceNotFound</c>, <c>DiskNotFound</c>, <c>QuiesceFailed</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskInUse</c>, <c>DiskAccessDenied</c>, <c>DiskReadFailed</c>, <c>PathNotContained</c>.
    /// </exception>
    public async Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken)
    {
        if (how.Quiescing == Quiescing.Require)
        {
            throw new NataliaException(ErrorIds.QuiesceFailed, NataliaErrorKind.NotSupported,
                $"The disks of '{appliance.Name}' are images in a folder: there is no guest that could put its data "
                + "in order, and whether it did before is not known.",
                appliance.Name,
                "Do not require it, or back the VM up through its hypervisor.");
        }
        FolderAppliance vm = await FindAsync(appliance, cancellationToken).ConfigureAwait(false);
        var disks = new Dictionary<string, FolderDisk>(StringComparer.Ordinal);
        try
        {
            foreach (string diskId in how.DiskIds)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!disks.ContainsKey(diskId))
                    disks.Add(diskId, await OpenAsync(vm, diskId, cancellationToken).ConfigureAwait(false));
            }
            return new FolderFrozenDisks(_clock.GetUtcNow().UtcDateTime, disks, vm);
        }
        catch
        {
            foreach (FolderDisk disk in disks.Values) disk.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<RestorePointAttachment>> FindAttachmentsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        return [.. (await ReadAttachmentsAsync(appliance, cancellationToken).ConfigureAwait(false))
            .Select(a => new RestorePointAttachment(a.Name, a.Kind, a.Content.Length))];
    }

    /// <summary>The attachments of a VM as they lie now, also while it runs.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>AttachmentNotRead</c>.</exception>
    internal async Task<IReadOnlyList<ApplianceAttachment>> ReadAttachmentsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        FolderAppliance vm = await FindAsync(appliance, cancellationToken).ConfigureAwait(false);
        return await FolderAttachments.ReadAsync(vm, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private async Task<FolderAppliance> FindAsync(ApplianceDescription appliance, CancellationToken cancellationToken)
    {
        (List<FolderAppliance> found, List<NataliaException> problems) = await Task.Run(() => Scan(cancellationToken),
            cancellationToken).ConfigureAwait(false);
        return found.Find(f => f.Description.ApplianceId == appliance.ApplianceId)
            ?? throw new NataliaException(
            ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
            $"The appliance '{appliance.Name}' is no longer in '{Location}'.", appliance.Name,
            problems.Count > 0
                ? $"Something there cannot be listed: {problems[0].Message}"
                : "List what is there with Get-NataliaAppliance -Name *.");
    }

    private static async Task<FolderDisk> OpenAsync(FolderAppliance vm, string diskId,
        CancellationToken cancellationToken)
    {
        FolderImage image = vm.Images.FirstOrDefault(i => i.DiskId == diskId)
            ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
            $"The appliance '{vm.Description.Name}' has no disk '{diskId}'.", vm.Description.Name,
            Offer.Of(vm.Images.Select(i => i.DiskId)));
        // What is stated is not asked of the content: only the user can know that a raw disk merely looks like
        // something else.
        if (image.IsFormatStated && !DiskImages.CanRead(image.Format))
            throw NotSupported(image, $"is stated to be in {Name(image.Format)} format");

        var parents = new ParentImagesInFolder(vm.Folder);
        RawDiskSource file = RawDiskSource.Open(image.File);
        IDiskSource? disk = null;
        try
        {
            IDiskSource bytes = image.Member is Extent member
                ? new DiskWindow(file, member, $"{image.File} ({diskId})", closesFile: false)
                : file;
            ImageFormat format = image.IsFormatStated
                ? image.Format
                : await FindFormatAsync(vm, image, bytes, cancellationToken).ConfigureAwait(false);
            // As a point it would be the newest one, and push whole ones out of their slots.
            if (bytes.SizeBytes == 0)
            {
                throw new NataliaException(ErrorIds.DiskEmpty, NataliaErrorKind.InvalidData,
                    $"The image '{image.File}' of disk '{diskId}' is empty: there is nothing to back up.",
                    image.File.Path,
                    "Look what wrote it: an export that failed leaves an empty file, a device with nothing behind it "
                    + "has no length.");
            }
            disk = await DiskImages.OpenAsync(bytes, format, parents, image.Member is null ? parents : null,
                cancellationToken).ConfigureAwait(false);
            ChangesFile? changes = ReadChanges(vm, image, file, format);
            return new FolderDisk(diskId, [file, .. parents.Opened],
                changes is null ? disk : new ChangesDiskSource(disk, changes))
            {
                SectorBytes = disk is VhdxDiskSource vhdx ? vhdx.LogicalSectorBytes : FolderDisk.Sector,
            };
        }
        catch
        {
            disk?.Dispose();
            foreach (RawDiskSource parent in parents.Opened) parent.Dispose();
            file.Dispose();
            throw;
        }
    }

    private static ChangesFile? ReadChanges(FolderAppliance vm, FolderImage image, RawDiskSource file,
        ImageFormat format)
    {
        if (image.StatedChanges is not string stated) return null;
        // It counts for the file that it names the length and the time of; a chain has several.
        if (format != ImageFormat.Raw)
            return ChangesFile.Unusable($"The image '{image.File}' is no raw one, and a changes file is for these "
                + "alone.");
        ContainedFile? found = ContainedFile.Find(vm.Folder, stated,
            Path.Combine(vm.Folder, DescriptionFile.FileName));
        return found is null
            ? ChangesFile.Unusable(
                $"There is no file '{ContainedFile.Show(vm.Folder, stated)}' that tells what changed.")
            : ChangesFile.Read(found, file);
    }

    /// <summary>
    /// The format of an image that no description states. A guest can write anything into a raw disk, also what makes
    /// it look like an image: where the name says raw and the content does not, only the user can know.
    /// </summary>
    private static async Task<ImageFormat> FindFormatAsync(FolderAppliance vm, FolderImage image, IDiskSource file,
        CancellationToken cancellationToken)
    {
        DetectedImage? seen = await ImageFormats.DetectAsync(file, image.Format, cancellationToken)
            .ConfigureAwait(false);
        if (image.Format == ImageFormat.Raw)
        {
            return seen is null
                ? ImageFormat.Raw
                : throw NotSupported(image, $"is {seen.Description}", HowToState(seen.Format)
                    + $" Where it really is a raw disk that only looks like one, {HowToStateRaw(vm, image)}");
        }
        if (seen is null)
            throw NotSupported(image, $"is in {Name(image.Format)} format by its name, and raw by its content",
                $" Where it is a raw disk, {HowToStateRaw(vm, image)}");
        if (seen.Format == image.Format && DiskImages.CanRead(seen.Format)) return seen.Format;
        string what = seen.Format == image.Format
            ? $"is {seen.Description}"
            : $"is in {Name(image.Format)} format by its name, and {seen.Description} by its content";
        throw NotSupported(image, what, HowToState(seen.Format)
            + $" Where it really is a raw disk that only looks like one, {HowToStateRaw(vm, image)}");
    }

    /// <summary>What to do where the content is right and the name is not.</summary>
    private static string HowToState(ImageFormat seen) => seen switch
    {
        // Raw would take the footer for a part of the disk.
        ImageFormat.Unknown => " Which of them it is, only you can know: give it the ending of its format (.vhd where "
            + "a guest wrote the beginning), or state \"format\": \"vhd\" or the other one for it.",
        _ when DiskImages.CanRead(seen) => " Where it is one, give it the ending of its format, or state \"format\": "
            + $"\"{Name(seen).ToLowerInvariant()}\" for it.",
        _ => "",
    };

    private static NataliaException NotSupported(FolderImage image, string what, string more = "") =>
        new(ErrorIds.DiskFormatNotSupported, NataliaErrorKind.NotSupported,
        $"The image '{image.File}' of disk '{image.DiskId}' {what}, which cannot be backed up from a folder.",
        image.File.Path,
        "Convert it to a raw or VHDX image (qemu-img convert), or back the VM up through its hypervisor." + more);

    private static string Name(ImageFormat format) => format.ToString().ToUpperInvariant();

    /// <summary>
    /// A folder without a description gets the text of one, which leaves the ids of its VM and disks as they are.
    /// </summary>
    private static string HowToStateRaw(FolderAppliance vm, FolderImage image)
    {
        const string member = "\"format\": \"raw\"";
        string path = Path.Combine(vm.Folder, DescriptionFile.FileName);
        if (vm.AreDisksDescribed) return $"state {member} for it in '{path}'.";
        IEnumerable<string> each = vm.Images.Select(i =>
            $"{{ \"id\": {JsonText(i.DiskId)}, \"path\": {JsonText(i.DiskId)}{(i == image ? ", " + member : "")} }}");
        string disks = $"\"disks\": [ {string.Join(", ", each)} ]";
        return vm.Description.NativeConfiguration is null
            ? $"state that in a file '{path}': {{ {disks} }}"
            : $"state that in '{path}': {disks}";
    }

    private static string JsonText(string text) =>
        "\"" + JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping) + "\"";

    /// <summary>The VMs of the directory, and what is wrong with those that cannot be listed.</summary>
    internal (List<FolderAppliance> Found, List<NataliaException> Problems) Scan(CancellationToken cancellationToken)
    {
        RequireFolder();
        var found = new List<FolderAppliance>();
        var problems = new List<NataliaException>();
        foreach (string folder in Folders(problems))
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (Func<FolderAppliance?> read in ApplianceFolder.In(folder, Kind, folder == Location))
            {
                try
                {
                    if (read() is FolderAppliance vm) found.Add(vm);
                }
                catch (NataliaException e)
                {
                    problems.Add(e);
                }
            }
        }
        RefuseTwins(found, problems);
        return (found, problems);
    }

    /// <summary>The folders that may each hold a VM. One that is reached by a link as well counts once.</summary>
    private List<string> Folders(List<NataliaException> problems)
    {
        var folders = new List<string> { Location };
        try
        {
            if (DescriptionFile.IsIn(Location)) return folders;
            folders.AddRange(new DirectoryInfo(Location).GetDirectories().Where(d => !IsHidden(d))
                .Select(d => d.FullName));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(new NataliaException(ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.ReadFailed,
                $"The folder '{Location}' cannot be listed: {e.Message}", Location,
                "Check the folder and this user's access to it.", e));
        }
        return [.. folders
            .GroupBy(f => RealPath.Of(f) ?? f, RealPath.Comparer)
            .Select(same => same.FirstOrDefault(f => RealPath.Comparer.Equals(f, same.Key)) ?? same.First())
            .OrderBy(f => f, StringComparer.Ordinal)];
    }

    /// <summary>What systems put beside people's own folders.</summary>
    private static bool IsHidden(DirectoryInfo folder) =>
        folder.Name.StartsWith(".", StringComparison.Ordinal) || folder.Name == "lost+found"
        || (folder.Attributes & (FileAttributes.Hidden | FileAttributes.System)) != 0;

    /// <summary>Two VMs of one id would write into one history. Which of them is meant, only the user knows.</summary>
    private static void RefuseTwins(List<FolderAppliance> found, List<NataliaException> problems)
    {
        foreach (IGrouping<string, FolderAppliance> twins in found.GroupBy(f => f.Description.ApplianceId)
            .Where(g => g.Count() > 1).ToList())
        {
            problems.Add(new NataliaException(ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.InvalidArgument,
                $"The folders {string.Join(", ", twins.Select(t => $"'{t.Folder}'"))} state the same id "
                + $"'{twins.First().Description.NativeId}', so neither is listed.",
                twins.First().Folder,
                "Give the copy another id, or move it elsewhere."));
            found.RemoveAll(f => f.Description.ApplianceId == twins.Key);
        }
    }

    private void RequireFolder()
    {
        if (Directory.Exists(Location)) return;
        throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotFound,
            File.Exists(Location)
                ? $"'{Location}' is a file; VMs are looked for in a folder."
                : $"There is no folder '{Location}'.",
            Location,
            "Name the folder that holds one folder per VM.");
    }
}
