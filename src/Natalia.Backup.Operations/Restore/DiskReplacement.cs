using System.Diagnostics;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;

namespace Natalia.Backup.Operations.Restore;

/// <summary>
/// Puts the data disk of a point into a freshly deployed, switched-off appliance. The appliance keeps everything else:
/// its system disk, its networks, its id.
/// </summary>
/// <param name="target">The appliance.</param>
/// <param name="image">The point.</param>
internal sealed class DiskReplacement(LocatedAppliance target, RestoreSource.PointImage image)
{
    /// <summary>The disk of the point.</summary>
    internal ApplianceDisk Source { get; } = DataDiskRule.Choose(image.Appliance);

    /// <summary>The disk that it takes the place of.</summary>
    internal ApplianceDisk Replaced { get; } = Choose(target.Description, image.Appliance);

    /// <summary>
    /// The data disk of the appliance; where nothing tells which of several it is, the one at the very place that the
    /// point's has on the same kind of hypervisor: both come of the same package.
    /// </summary>
    private static ApplianceDisk Choose(ApplianceDescription vm, ApplianceDescription former)
    {
        string place = DataDiskRule.Choose(former).DiskId;
        bool isSamePlace = DataDiskRule.TryChoose(vm) is null && vm.HypervisorKind == former.HypervisorKind
            && vm.Disks.Any(d => d.DiskId == place);
        return DataDiskRule.Choose(vm, isSamePlace ? place : null);
    }

    /// <summary>Refuses, before anything is written, what would fail or not fit. Only reads.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>ApplianceRunning</c>,
    /// <c>DiskSizeMismatch</c>.</exception>
    internal void Check()
    {
        target.Hypervisor.Hypervisor.Require<IDiskReplacer>("way to replace a VM's disk");
        ApplianceDescription vm = target.Description;
        if (vm.State?.Power is string power && IsOn(power))
            throw new NataliaException(ErrorIds.ApplianceRunning, NataliaErrorKind.InvalidOperation,
                $"The appliance '{vm.Name}' is {power}, and its disk is replaced only while it is switched off.",
                vm.Name, "Shut it down first.");
        if (Replaced.SizeBytes is long size && size != Source.SizeBytes)
            throw new NataliaException(ErrorIds.DiskSizeMismatch, NataliaErrorKind.InvalidArgument,
                $"The data disk '{Replaced.DiskId}' of '{vm.Name}' has {size} bytes, and that of the point "
                + $"{image.Point} {Source.SizeBytes}: they are not disks of the same appliance.",
                vm.Name, "Deploy an appliance with a data disk of that size, or build a VM without -TargetAppliance.");
    }

    /// <summary>Does it.</summary>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="start">Whether the VM is started then.</param>
    /// <param name="cancellationToken">Stops it while the new image is written; the old disk is still there then. The
    /// exchange itself goes to its end.</param>
    internal async Task<RestoredAppliance> ExecuteAsync(IProgress<OperationProgress>? progress, bool start,
        CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        ApplianceDescription made = await target.Hypervisor.Hypervisor
            .Require<IDiskReplacer>("way to replace a VM's disk")
            .ReplaceDiskAsync(target.Description, Replaced.DiskId, Source.SizeBytes!.Value,
                (disk, stop) => image.Write(Source.DiskId, disk, progress, stop), cancellationToken)
            .ConfigureAwait(false);
        TimeSpan duration = clock.Elapsed;
        Exception? startFailure = start
            ? await ApplianceRestore.StartAsync(target.Hypervisor, made, cancellationToken).ConfigureAwait(false)
            : null;
        return new RestoredAppliance(made, duration, [], startFailure);
    }

    /// <summary>Each hypervisor has words of its own; what is none of these may run.</summary>
    private static bool IsOn(string power) =>
        !new[] { "stopped", "off", "poweredOff", "shutoff" }.Contains(power, StringComparer.OrdinalIgnoreCase);
}
