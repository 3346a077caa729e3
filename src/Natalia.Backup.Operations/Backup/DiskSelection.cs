using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Backup;

/// <summary>Which disks a backup takes.</summary>
internal static class DiskSelection
{
    /// <summary>The data disk first, then the system disks where they are wanted.</summary>
    /// <param name="appliance">The appliance.</param>
    /// <param name="dataDiskId">The disk that the user named; null leaves it to the description.</param>
    /// <param name="includeSystemDisk">Whether the others go along.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskAmbiguous</c>.</exception>
    internal static IReadOnlyList<ApplianceDisk> Select(ApplianceDescription appliance, string? dataDiskId,
        bool includeSystemDisk)
    {
        ApplianceDisk data = DataDiskRule.Choose(appliance, dataDiskId) with { Role = DiskRole.Data };
        if (!includeSystemDisk) return [data];
        List<ApplianceDisk> system = [.. appliance.Disks
            .Where(d => d.DiskId != data.DiskId && d.Role == DiskRole.System)];
        // Nothing says which of the others boots: all of them is the answer that loses nothing.
        if (system.Count == 0) system = [.. appliance.Disks.Where(d => d.DiskId != data.DiskId)];
        return [data, .. system];
    }
}
