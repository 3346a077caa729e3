using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Help for callers of <see cref="IApplianceBuilder"/>.</summary>
public static class ApplianceBuilderExtensions
{
    /// <summary>The attachments of a point that a hypervisor puts back into the VMs that it builds.</summary>
    /// <param name="hypervisor">The hypervisor.</param>
    /// <param name="image">The point.</param>
    public static IReadOnlyList<ApplianceAttachment> FindTaken(this IHypervisor hypervisor,
        RestoreSource.PointImage image) =>
        hypervisor.Find<IAttachmentBuilder>() is IAttachmentBuilder taker
            ? [.. image.Attachments.Where(a => taker.Takes(a, image.Appliance.HypervisorKind))]
            : [];

    /// <summary>
    /// Builds a VM of a point, one disk after the other. What a failure leaves is removed before it is told.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="image">The point.</param>
    /// <param name="how">How.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it and removes what was made before the call returns.</param>
    /// <returns>The VM as it was read back.</returns>
    public static async Task<ApplianceDescription> BuildAsync(
        this IApplianceBuilder builder, RestoreSource.PointImage image, BuildRequest how,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        IApplianceUnderConstruction vm = await builder.BeginAsync(image.Appliance, how,
            cancellationToken).ConfigureAwait(false);
        ApplianceDescription made;
        try
        {
            foreach (ApplianceDisk disk in image.Appliance.Disks)
            {
                long size = disk.SizeBytes
                    ?? throw new ArgumentException($"The disk '{disk.DiskId}' has no size.", nameof(image));
                using IDiskTarget target = vm.GetDisk(disk.DiskId, size);
                await image.Write(disk.DiskId, target, progress, cancellationToken).ConfigureAwait(false);
            }
            made = await vm.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            if (await FailedBuild.RemoveAsync(vm, how.Name, failure).ConfigureAwait(false) is NataliaException left)
                throw left;
            throw;
        }
        await vm.DisposeAsync().ConfigureAwait(false);
        return made;
    }
}
