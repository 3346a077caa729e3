using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Operations.Exports;
using Natalia.Backup.Operations.Mounts;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Writes a disk of a restore point to an image file: raw, VHDX or VMDK.</summary>
/// <remarks>
/// <para>The disk in the image equals the one at the time of the point, byte for byte; every block is compared with its
/// SHA-256 on the way. The file is sparse where the file system can do that. In VHDX and VMDK a disk has whole sectors
/// of 512 bytes: where it had not, zeros fill up the last one.</para>
/// <para>The file gets its name when it is complete. An export that fails or is stopped leaves nothing behind. What a
/// killed one left, a file with the ending .partial, is removed by the next one to the same place with a warning that
/// names it; where another machine may be writing it, on a share or into a folder that this machine shares, the warning
/// asks for that.</para>
/// <para>A restore point that is damaged is refused, unless -AllowLoss is given: then what is left is written, what is
/// lost becomes zeros, a warning says how much, and the result tells where.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Export-NataliaDisk -Destination D:\restore\data.raw</code>
/// <para>Writes the data disk of the newest point to a file.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -After 2026-11-01 -Before 2026-12-01 | Export-NataliaDisk -Destination D:\restore</code>
/// <para>Writes one image for each point of a month into a folder that is there; each is named after its appliance,
/// time and disk, and after its id where that would not tell it from others.</para>
/// </example>
/// <example>
/// <code>$image = Export-NataliaDisk -RestorePointId 3fa9 -DiskId scsi0 -Destination D:\restore\system.raw -Force
/// $image | Get-FileHash</code>
/// <para>Writes the system disk of a point over an older image, and takes the file's hash.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Export-NataliaDisk -Destination D:\restore -Thaw</code>
/// <para>Asks for what lies in Glacier, and tells by when it is readable. Run again after that, it writes the
/// disk.</para>
/// </example>
/// <example>
/// <code>$image = Export-NataliaDisk -RestorePointId 3fa9 -Destination D:\rescue\data.raw -AllowLoss
/// $image.LostExtents | Export-Csv D:\rescue\lost.csv</code>
/// <para>Writes what is left of a damaged point, and a list of what is missing.</para>
/// </example>
/// <example>
/// <code>Export-NataliaDisk -RestorePointId 3fa9 -DiskId scsi1 -Overlay D:\try.overlay -Destination D:\tried.raw</code>
/// <para>Writes the disk of a point with what a mount with -KeepOverlay has written over it.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Export-NataliaDisk -Destination D:\restore -Format Vhdx</code>
/// <para>Writes the data disk as a VHDX file that Hyper-V attaches to a VM.</para>
/// </example>
[Cmdlet(VerbsData.Export, "NataliaDisk", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(ExportedFile), typeof(ThawStatus))]
public sealed class ExportNataliaDiskCommand : RestorePointCommand
{
    /// <summary>
    /// The restore point: its id, or at least four digits of its beginning when no other id begins so. Bound from
    /// restore points that are piped in, live or from a job.
    /// </summary>
    // Not by position, unlike elsewhere: in a pipeline the destination is the one thing left to type.
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public override string[] RestorePointId { get; set; } = [];

    /// <summary>
    /// The image file, or a folder that is there. Relative paths, ~ and PowerShell drives are welcome; wildcards are
    /// taken literally.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = "";

    /// <summary>
    /// The disk's id, as the point shows it under Disks. Left out, the data disk is taken, or the only one.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(DiskCompleter))]
    public string? DiskId { get; set; }

    /// <summary>
    /// What to write. Raw: byte n of the file is byte n of the disk. Vhdx: for Hyper-V. Vmdk: one sparse file, for
    /// VMware Workstation and other programs. VmdkFlat: as on a datastore of ESXi, with the bytes in a second file
    /// beside the one that is named. VmdkStreamOptimized: compressed, as in an OVF package.
    /// </summary>
    [Parameter]
    public DiskFormat Format { get; set; } = DiskFormat.Raw;

    /// <summary>Replace a file of that name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>
    /// Where what the point needs lies in an archive class (Glacier, Deep Archive): ask for it to be made readable,
    /// which takes hours and costs money. The command then tells when to come back, and writes nothing; the same
    /// command writes the disk when everything is readable, and asks for nothing twice until then.
    /// </summary>
    [Parameter]
    public SwitchParameter Thaw { get; set; }

    /// <summary>For how many days what is thawed stays readable: 1 to 365, 7 by default.</summary>
    [Parameter]
    [ValidateRange(1, 365)]
    public int ThawDays { get; set; } = 7;

    /// <summary>
    /// Write what is left of a damaged restore point. What is lost becomes zeros: the file is not the disk as it was,
    /// and a database in it may be broken.
    /// </summary>
    [Parameter]
    public SwitchParameter AllowLoss { get; set; }

    /// <summary>
    /// The overlay that a mount with -KeepOverlay has left: the image is the disk of the point with what was written
    /// over it. It must belong to this point and disk, and not be mounted.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Overlay { get; set; }

    /// <summary>What this very call has written, or tried to, and from which point and disk.</summary>
    private readonly Dictionary<string, string> _written = new(StringComparer.OrdinalIgnoreCase);

    private protected override string MissedWithoutInput => "no disk was written";

    private protected override bool OpensPoints => true;

    // Copies in several repositories are the same: one of them is enough.
    private protected override IEnumerable<LocatedPoint> Choose(IReadOnlyList<LocatedPoint> copies) => copies.Take(1);

    private protected override async Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        RestorePoint one = point.Point;
        string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Destination)).ConfigureAwait(false);
        if (AllowLoss && Overlay is not null)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.InvalidArgument,
                "-AllowLoss has no meaning with -Overlay: what was written over a damaged disk fits nothing.", Overlay,
                "Leave one of them out.");
        OpenPoint opened = await point.OpenAsync(cancellationToken).ConfigureAwait(false);
        string diskId = DiskChoice.Of(opened.Point, DiskId).DiskId;
        string file = ChooseFile(path, one, diskId);
        // -Force is for older files, not for what this very call has just written.
        if (_written.ContainsKey(file))
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                $"'{file}' is where this command puts another restore point already.", file,
                "Name a folder that is there: each image then gets a name of its own.");
        ExportDestination.EnsureWritable(file, Force);
        _written.Add(file, Content(one, diskId));
        if (!await ShouldProcessAsync(file, $"Write disk {diskId} of {one}").ConfigureAwait(false)) return;
        if (!await EnsureReadableAsync(point, [diskId], Thaw ? ThawDays : null,
            cancellationToken).ConfigureAwait(false))
            return;
        await TellOfPartialsAsync(path, file, one, cancellationToken).ConfigureAwait(false);
        var clock = Stopwatch.StartNew();
        var written = new SalvagedDisk(new RestorePointDisk("", DiskRole.Unknown, 0, 0), 0, []);
        using (ProgressReporter progress = StartProgress($"Exporting {one}"))
        using (IDiskTarget target = DiskImages.Create(Format, file, Force))
        {
            if (AllowLoss)
                written = await opened.SalvageDiskAsync(diskId, target, progress,
                    cancellationToken).ConfigureAwait(false);
            else written = written with
            {
                Disk = await ReadAsync(point, [diskId],
                    () => ExportAsync(opened, diskId, target, progress, cancellationToken),
                    cancellationToken).ConfigureAwait(false),
            };
        }
        if (written.BytesLost > 0)
            EmitWarning(string.Format(CultureInfo.InvariantCulture,
                "{0} of disk {1} of {2} are lost. In '{3}' there are zeros in their place, in {4}; the "
                + "property LostExtents of the result tells where. The file is not the disk as it was.",
                ByteSize.Format(written.BytesLost), written.Disk.DiskId, one, file,
                Plural.Count(written.LostExtents.Count, "extent")));
        Emit(new ExportedFile
        {
            Path = file,
            SizeBytes = Format == DiskFormat.Raw ? written.Disk.SizeBytes : new FileInfo(file).Length,
            Duration = clock.Elapsed,
            ApplianceId = one.ApplianceId,
            ApplianceName = one.ApplianceName,
            RestorePointId = one.RestorePointId,
            Repository = one.Repository,
            RepositoryId = one.RepositoryId,
            DiskId = written.Disk.DiskId,
            BytesLost = written.BytesLost,
            LostExtents = written.LostExtents,
        });
    }

    private async Task<RestorePointDisk> ExportAsync(OpenPoint point, string diskId, IDiskTarget target,
        ProgressReporter progress, CancellationToken cancellationToken)
    {
        if (Overlay is null)
            return await point.ExportDiskAsync(diskId, target, progress, cancellationToken).ConfigureAwait(false);
        string overlay = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Overlay)).ConfigureAwait(false);
        return await OverlayExport.ExecuteAsync(point, diskId, overlay, target, progress,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// In a folder every point gets a file of its own, also where two of one name were made in one second.
    /// </summary>
    private string ChooseFile(string path, RestorePoint point, string diskId)
    {
        string file = ExportDestination.GetFile(path, Name(withId: false));
        return _written.TryGetValue(file, out string? content) && content != Content(point, diskId)
            ? ExportDestination.GetFile(path, Name(withId: true))
            : file;

        string Name(bool withId) => ApplianceConfigurationFile.ImageName(point.ApplianceName, point.TimeUtc, diskId,
            point.RestorePointId, withId, DiskImages.ExtensionOf(Format));
    }

    private static string Content(RestorePoint point, string diskId) => $"{point.RestorePointId} {diskId}";

    /// <summary>
    /// An export that was killed could not take back what it had written; that may be what the disk has no room for
    /// now.
    /// </summary>
    private async Task TellOfPartialsAsync(string path, string file, RestorePoint point,
        CancellationToken cancellationToken)
    {
        string name = PartialFiles.NameFor(file);
        // A flat VMDK has a second file.
        string second = PartialFiles.NameFor(Path.GetFileNameWithoutExtension(file) + "-flat.vmdk");
        bool isFolder = path != file;
        string ofAppliance = PartialFiles.NameFor(ExportName.Beginning(point.ApplianceName));
        IReadOnlyList<PartialFile> stale = await PartialFiles.RemoveStaleAsync(Path.GetDirectoryName(file) ?? file,
            image => image == name || Format == DiskFormat.VmdkFlat && image == second
                || isFolder && image.StartsWith(ofAppliance, StringComparison.Ordinal),
            TimeProvider.System, cancellationToken).ConfigureAwait(false);
        foreach (PartialFile left in stale)
        {
            EmitWarning(left.IsRemoved
                ? $"An earlier export was broken off and had left '{left.Path}', which was removed."
                : $"An earlier export seems to have been broken off and has left '{left.Path}'. Delete it, unless "
                    + "another machine is writing it now.");
        }
    }
}
