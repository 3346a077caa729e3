using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Protection;

/// <summary>Which disks a backup takes.</summary>
internal static class DiskSelection
{
    /// <summary>The data disk first, then the system disks where they are wanted.</summary>
    /// <param name="appliance">The appliance.</param>
    /// <param name="dataDiskId">The disk that the user named; null leaves it to the description.</param>
    /// <param name="includeSystemDisk">Whether the others go along.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskAmbiguous</c>.</exception>
    internal static IReadOnlyList<ApplianceDisk> Select(ApplianceDescription appliance, string? dataDiskId, bool includeSystemDisk)
    {
        ApplianceDisk data = FindDataDisk(appliance, dataDiskId) with { Role = DiskRole.Data };
        if (!includeSystemDisk) return [data];
        List<ApplianceDisk> system = [.. appliance.Disks.Where(d => d.DiskId != data.DiskId && d.Role == DiskRole.System)];
        // Nothing says which of the others boots: all of them is the answer that loses nothing.
        if (system.Count == 0) system = [.. appliance.Disks.Where(d => d.DiskId != data.DiskId)];
        return [data, .. system];
    }

    /// <summary>The data disk, or null where it cannot be told.</summary>
    internal static ApplianceDisk? TryFindDataDisk(ApplianceDescription appliance, string? dataDiskId)
    {
        try
        {
            return FindDataDisk(appliance, dataDiskId);
        }
        catch (NataliaException)
        {
            return null;
        }
    }

    private static ApplianceDisk FindDataDisk(ApplianceDescription appliance, string? dataDiskId)
    {
        if (dataDiskId is not null)
            return appliance.Disks.FirstOrDefault(d => string.Equals(d.DiskId, dataDiskId, StringComparison.OrdinalIgnoreCase)) ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"'{appliance.Name}' has no disk '{dataDiskId}'. It has: {Names(appliance.Disks)}.", appliance.Name);
        List<ApplianceDisk> stated = [.. appliance.Disks.Where(d => d.Role == DiskRole.Data)];
        List<ApplianceDisk> candidates = stated.Count > 0 ? stated : [.. appliance.Disks.Where(d => d.Role != DiskRole.System)];
        return candidates.Count == 1 ? candidates[0] : throw new NataliaException(ErrorIds.DiskAmbiguous, NataliaErrorKind.InvalidArgument,
            $"Which disk of '{appliance.Name}' holds the data? It has: {Names(appliance.Disks)}.", appliance.Name, "Name it with -DataDisk, once and for all in Set-NataliaAppliance.");
    }

    private static string Names(IReadOnlyList<ApplianceDisk> disks) => disks.Count == 0 ? "none" : string.Join(", ", disks);
}
