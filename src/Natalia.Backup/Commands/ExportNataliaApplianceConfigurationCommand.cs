using System.Diagnostics;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Exports;
using Natalia.Backup.Operations.Points;

namespace Natalia.Backup.Commands;

/// <summary>Writes a VM's configuration to a JSON file.</summary>
/// <remarks>
/// <para>What is needed to build a machine around a restored disk: processors, memory, networks with their VLANs,
/// disks, and the hypervisor's own description word for word. It is kept with every restore point, and can be written
/// from a point or from a live VM.</para>
/// <para>Called vm.json, in a folder with the images that Export-NataliaDisk wrote of the same point, it describes a VM
/// that Connect-NataliaHypervisor -Folder shows.</para>
/// <para>What a point holds besides disks, such as the variables of UEFI firmware or the state of a TPM, is written
/// beside it: a file for each, named like the JSON file with the attachment's name in place of .json. The state of a
/// TPM holds keys of the guest, so that these files can be read by this user alone.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Export-NataliaApplianceConfiguration -Destination D:\restore\natalia-paris.json</code>
/// <para>Writes the configuration that was kept with the newest point.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance | Export-NataliaApplianceConfiguration -Destination D:\inventory -Force</code>
/// <para>Writes the present configuration of every enrolled appliance into a folder that is there, one file for
/// each.</para>
/// </example>
[Cmdlet(VerbsData.Export, "NataliaApplianceConfiguration", DefaultParameterSetName = ApplianceSet,
    SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(ExportedFile))]
public sealed class ExportNataliaApplianceConfigurationCommand : HypervisorCommand
{
    private const string ApplianceSet = "Appliance";
    private const string PointSet = "RestorePoint";

    private RestorePointFinder? _finder;
    private ApplianceDirectory? _directory;

    /// <summary>What this very call has written, and of which VM or point.</summary>
    private readonly Dictionary<string, string> _written = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The live VM: an object of Get-NataliaAppliance, a name or a wildcard.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ApplianceSet, ValueFromPipeline = true)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference(LeaveRestorePoints = true, MeansVM = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[] Appliance { get; set; } = [];

    /// <summary>
    /// The restore point: its id, or at least four digits of its beginning. Bound from restore points that are piped
    /// in.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = PointSet, ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public string RestorePointId { get; set; } = "";

    /// <summary>
    /// The repository of the restore point: the session that Connect-NataliaRepository returned, or its name. Left out,
    /// the connected ones are searched.
    /// </summary>
    [Parameter(ParameterSetName = PointSet)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>The id of a connected repository. Bound from restore points that are piped in.</summary>
    [Parameter(ParameterSetName = PointSet, ValueFromPipelineByPropertyName = true)]
    public string? RepositoryId { get; set; }

    /// <summary>
    /// The file, or a folder that is there. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken
    /// literally.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = "";

    /// <summary>Replace a file of that name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override string MissedWithoutInput => "no configuration was written";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Destination)).ConfigureAwait(false);
        if (ParameterSetName == PointSet)
        {
            await ExportFromPointAsync(path, cancellationToken).ConfigureAwait(false);
            return;
        }
        _directory ??= new ApplianceDirectory(Registry, DeferError, EmitWarning);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(Appliance);
        IReadOnlyList<LocatedAppliance> appliances = await _directory.FindAsync(HypervisorsToRead(), selectors,
            cancellationToken).ConfigureAwait(false);
        foreach (ApplianceSelector selector in selectors)
        {
            try
            {
                foreach (LocatedAppliance located in ApplianceDirectory.SelectForChange(appliances, selector))
                    await ExportAsync(path, located.Description, [], DateTime.UtcNow, null).ConfigureAwait(false);
            }
            catch (NataliaException e)
            {
                EmitError(e, selector.Text);
            }
        }
    }

    private async Task ExportFromPointAsync(string path, CancellationToken cancellationToken)
    {
        _finder ??= new RestorePointFinder(Registry.Completion, EmitWarning);
        IReadOnlyList<RepositoryConnection> repositories =
            Registry.RepositoriesWithPoints(Repository is { Length: > 0 } named
            ? [named]
            : null,
            RepositoryId);
        LocatedPoint point = (await _finder.FindAsync(repositories, RestorePointId, null,
            cancellationToken).ConfigureAwait(false))[0];
        ApplianceDescription description = await point.GetConfigurationAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ApplianceAttachment> attachments =
            await point.GetAttachmentsAsync(cancellationToken).ConfigureAwait(false);
        await ExportAsync(path, description, attachments, point.Point.TimeUtc, point.Point).ConfigureAwait(false);
    }

    private async Task ExportAsync(string path, ApplianceDescription description,
        IReadOnlyList<ApplianceAttachment> attachments, DateTime timeUtc, RestorePoint? point)
    {
        string? restorePointId = point?.RestorePointId;
        var clock = Stopwatch.StartNew();
        string file = ChooseFile(path, description, timeUtc, restorePointId);
        (ApplianceAttachment Attachment, string File)[] beside =
            [.. attachments.Select(a => (a, $"{Path.ChangeExtension(file, null)}.{a.Name}"))];
        foreach (string wanted in beside.Select(b => b.File).Append(file))
            ExportDestination.EnsureWritable(wanted, Force);
        _written.Add(file, restorePointId ?? description.ApplianceId);
        if (!await ShouldProcessAsync(file, $"Write the configuration of {description.Name}").ConfigureAwait(false))
            return;
        // The file that names them comes last.
        foreach ((ApplianceAttachment attachment, string place) in beside)
            AtomicFile.Write(place, attachment.Content.ToArray(), Force);
        byte[] bytes = ApplianceConfigurationFile.Write(description, timeUtc, restorePointId,
            [.. beside.Select(b => (b.Attachment, Path.GetFileName(b.File)))]);
        AtomicFile.Write(file, bytes, Force);
        Tell(file, bytes.Length, null);
        foreach ((ApplianceAttachment attachment, string place) in beside)
            Tell(place, attachment.Content.Length, attachment.Name);

        void Tell(string written, long size, string? attachment) => Emit(new ExportedFile
        {
            Path = written,
            SizeBytes = size,
            Duration = clock.Elapsed,
            ApplianceId = description.ApplianceId,
            ApplianceName = description.Name,
            RestorePointId = point?.RestorePointId,
            Repository = point?.Repository,
            RepositoryId = point?.RepositoryId,
            AttachmentName = attachment,
        });
    }

    /// <summary>In a folder every VM, or point, gets a file of its own, also where two have one name.</summary>
    private string ChooseFile(string path, ApplianceDescription description, DateTime timeUtc, string? restorePointId)
    {
        string[] parts = restorePointId is null
            ? [description.Name]
            : [description.Name, ExportDestination.Stamp(timeUtc)];
        string id = restorePointId ?? description.ApplianceId;
        string file = ExportDestination.GetFile(path, ExportName.Create(parts, ".json", id));
        if (_written.TryGetValue(file, out string? other) && other != id)
            file = ExportDestination.GetFile(path, ExportName.Create(parts, ".json", id, withId: true));
        // -Force is for older files, not for what this very call has just written.
        if (_written.ContainsKey(file))
        {
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                $"'{file}' is where this command puts another configuration already.", file,
                "Name a folder that is there: each configuration then gets a name of its own.");
        }
        return file;
    }
}
