using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Points;

namespace Natalia.Backup.Operations.Restore;

/// <summary>
/// Turns a restore point of a repository of this product into what a hypervisor builds a VM of: its disks, and a system
/// disk from an image where the point holds none.
/// </summary>
internal static class PointImages
{
    /// <summary>The id of a system disk that the point's configuration does not name.</summary>
    private const string SystemDiskId = "system";

    /// <summary>
    /// Whether a VM of this point has no disk to boot from: the point holds no system disk, and the VM had more disks
    /// than were taken.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="configuration">The VM's configuration kept with it.</param>
    internal static bool NeedsSystemImage(RestorePoint point, ApplianceDescription configuration) =>
        point.Disks.All(d => d.Role != DiskRole.System)
        && (configuration.Disks.Any(c => point.Disks.All(d => d.DiskId != c.DiskId))
            || point.Disks.All(d => d.Role == DiskRole.Data));

    /// <summary>
    /// The point as something to build a VM of. Its description is the configuration at the time of the point, with
    /// those disks that are written, in the order in which the VM had them; the system disk comes first.
    /// </summary>
    /// <param name="point">The point; of a repository of this product.</param>
    /// <param name="systemImage">
    /// What the system disk is written from, also where the point holds one; null takes the point's own disks alone.
    /// </param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException">
    /// <c>CapabilityMissing</c> for a point of a hypervisor's storage; <c>SystemImageRequired</c>: it holds no system
    /// disk, and no image was given; <c>ConfigurationNotStored</c>; what opening a point throws.
    /// </exception>
    internal static async Task<RestoreSource.PointImage> CreateAsync(LocatedPoint point, SystemImage? systemImage,
        CancellationToken cancellationToken)
    {
        OpenPoint opened = await point.OpenAsync(cancellationToken).ConfigureAwait(false);
        ApplianceDescription configuration =
            await opened.GetConfigurationAsync(cancellationToken).ConfigureAwait(false);
        if (systemImage is null && NeedsSystemImage(opened.Point, configuration)) throw Required(opened.Point);
        (IReadOnlyList<ApplianceAttachment> attachments, string? trouble) =
            await ReadAttachmentsAsync(opened, cancellationToken).ConfigureAwait(false);
        string? systemDisk = systemImage is null ? null : SystemDiskOf(opened.Point, configuration);
        ApplianceDescription described = Describe(opened.Point, configuration, systemImage, systemDisk);
        return new RestoreSource.PointImage(opened.Point, described, async (diskId, target, progress, stop) =>
        {
            if (diskId == systemDisk) await systemImage!.WriteAsync(target, progress, stop).ConfigureAwait(false);
            else await opened.ExportDiskAsync(diskId, target, progress, stop).ConfigureAwait(false);
        })
        {
            Attachments = attachments,
            AttachmentTrouble = trouble,
        };
    }

    /// <summary>
    /// The disks of a point alone, to be put into a VM that has what else it needs.
    /// </summary>
    /// <param name="point">The point; of a repository of this product.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c> for a point of a hypervisor's storage;
    /// <c>ConfigurationNotStored</c>; what opening a point throws.</exception>
    internal static async Task<RestoreSource.PointImage> CreateOfOwnDisksAsync(LocatedPoint point,
        CancellationToken cancellationToken)
    {
        OpenPoint opened = await point.OpenAsync(cancellationToken).ConfigureAwait(false);
        ApplianceDescription configuration =
            await opened.GetConfigurationAsync(cancellationToken).ConfigureAwait(false);
        return new RestoreSource.PointImage(opened.Point, Describe(opened.Point, configuration, null, null),
            (diskId, target, progress, stop) => opened.ExportDiskAsync(diskId, target, progress, stop));
    }

    /// <summary>The disks of a VM of a point that the point itself holds.</summary>
    /// <param name="image">The point.</param>
    /// <param name="hasSystemImage">Whether an image gives its system disk, which is the first one then.</param>
    internal static IReadOnlyList<string> OwnDisks(RestoreSource.PointImage image, bool hasSystemImage) =>
        [.. image.Appliance.Disks.Skip(hasSystemImage ? 1 : 0).Select(d => d.DiskId)];

    /// <summary>
    /// The same point as something to build a VM of to which disks are served: nothing is written of these.
    /// </summary>
    /// <param name="image">The point.</param>
    /// <param name="served">The ids of the disks.</param>
    internal static RestoreSource.PointImage Uncopied(RestoreSource.PointImage image, IReadOnlyList<string> served) =>
        new(image.Point, image.Appliance, async (diskId, target, progress, stop) =>
        {
            if (!served.Contains(diskId))
            {
                await image.Write(diskId, target, progress, stop).ConfigureAwait(false);
                return;
            }
            await target.BeginAsync(image.Appliance.Disks.First(d => d.DiskId == diskId).SizeBytes!.Value,
                stop).ConfigureAwait(false);
            await target.CompleteAsync(stop).ConfigureAwait(false);
        })
        {
            Attachments = image.Attachments,
            AttachmentTrouble = image.AttachmentTrouble,
        };

    /// <summary>A VM without its firmware's state is better than none.</summary>
    private static async Task<(IReadOnlyList<ApplianceAttachment> Attachments, string? Trouble)> ReadAttachmentsAsync(
        OpenPoint opened, CancellationToken cancellationToken)
    {
        try
        {
            return (await opened.GetAttachmentsAsync(cancellationToken).ConfigureAwait(false), null);
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.ObjectDamaged or ErrorIds.PackMissing)
        {
            return ([], $"The attachments of the point cannot be read: {damage.Message}");
        }
    }

    /// <summary>Which disk the image takes the place of; one that the configuration does not name gets a new
    /// id.</summary>
    private static string SystemDiskOf(RestorePoint point, ApplianceDescription configuration)
    {
        string? known = point.Disks.FirstOrDefault(d => d.Role == DiskRole.System)?.DiskId
            ?? configuration.Disks.FirstOrDefault(d => d.Role == DiskRole.System)?.DiskId;
        if (known is not null) return known;
        // The only one that was left out is the one that boots.
        List<string> others =
            [.. configuration.Disks.Select(d => d.DiskId).Where(c => point.Disks.All(d => d.DiskId != c))];
        if (others.Count == 1) return others[0];
        string id = SystemDiskId;
        while (point.Disks.Any(d => d.DiskId == id)) id += "-image";
        return id;
    }

    private static ApplianceDescription Describe(RestorePoint point, ApplianceDescription configuration,
        SystemImage? image, string? systemDisk)
    {
        List<string> order = [.. configuration.Disks.Select(d => d.DiskId)];
        IEnumerable<ApplianceDisk> own = point.Disks.Where(d => d.DiskId != systemDisk)
            .Select(d => new ApplianceDisk(d.DiskId, d.Role, d.SizeBytes))
            .OrderBy(d => d.Role == DiskRole.System ? 0 : 1)
            .ThenBy(d => order.IndexOf(d.DiskId) is var at && at < 0 ? int.MaxValue : at);
        IEnumerable<ApplianceDisk> system = image is null
            ? []
            : [new ApplianceDisk(systemDisk!, DiskRole.System, image.SizeBytes)];
        return configuration with { Disks = [.. system, .. own] };
    }

    private static NataliaException Required(RestorePoint point) =>
        new(ErrorIds.SystemImageRequired, NataliaErrorKind.InvalidArgument,
            $"The restore point {point} holds the data disk alone, which does not boot by itself.",
            point.RestorePointId,
            "Name an image of a freshly deployed appliance's system disk with -SystemImage, or keep it with "
            + "Set-NataliaAppliance -SystemImage. Without one, Export-NataliaDisk writes the data disk alone.");
}
