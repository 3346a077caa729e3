using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Which disk of an appliance holds its data: the one that the user names; else the one that its hypervisor calls the
/// data disk; else the only one that is not the system disk. Nothing is guessed beyond that. The same on every
/// hypervisor.
/// </summary>
public static class DataDiskRule
{
    /// <summary>The data disk.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="statedDiskId">What the user said, by parameter or by the appliance's settings; null when
    /// nothing.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskAmbiguous</c>; both say which disks there are and
    /// how to name one.</exception>
    public static ApplianceDisk Choose(ApplianceDescription appliance, string? statedDiskId = null)
    {
        if (statedDiskId is not null) return Find(appliance, statedDiskId);
        List<ApplianceDisk> candidates = Candidates(appliance);
        return candidates.Count switch
        {
            1 => candidates[0],
            0 => throw NotFound(appliance, appliance.Disks.Count == 0
                ? $"The appliance '{appliance.Name}' has no disk."
                : $"The appliance '{appliance.Name}' has no disk besides its system disk {List(appliance.Disks)}."),
            _ => throw new NataliaException(ErrorIds.DiskAmbiguous, NataliaErrorKind.InvalidOperation,
                $"The appliance '{appliance.Name}' has {candidates.Count} disks that could hold its data: "
                + $"{List(candidates)}.",
                appliance.Name,
                $"Name the data disk: -DataDisk '{candidates[0].DiskId}', or keep it with Set-NataliaAppliance "
                + "-DataDisk."),
        };
    }

    /// <summary>The data disk, or null where <see cref="Choose"/> would fail: for listings.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="statedDiskId">What the user said; null when nothing.</param>
    public static ApplianceDisk? TryChoose(ApplianceDescription appliance, string? statedDiskId = null)
    {
        List<ApplianceDisk> candidates = statedDiskId is null
            ? Candidates(appliance)
            : Matches(appliance, statedDiskId);
        return candidates.Count == 1 ? candidates[0] : null;
    }

    /// <summary>The VM with the role of its data disk as the user stated it; unchanged when nothing was said.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="statedDiskId">What the user said; null when nothing.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>.</exception>
    public static ApplianceDescription Apply(ApplianceDescription appliance, string? statedDiskId)
    {
        if (statedDiskId is null) return appliance;
        string chosen = Choose(appliance, statedDiskId).DiskId;
        return appliance with
        {
            Disks = [.. appliance.Disks.Select(d => d with
            {
                Role = d.DiskId == chosen ? DiskRole.Data : d.Role == DiskRole.Data ? DiskRole.Unknown : d.Role,
            })],
        };
    }

    private static List<ApplianceDisk> Candidates(ApplianceDescription appliance)
    {
        List<ApplianceDisk> data = [.. appliance.Disks.Where(d => d.Role == DiskRole.Data)];
        return data.Count > 0 ? data : [.. appliance.Disks.Where(d => d.Role != DiskRole.System)];
    }

    private static ApplianceDisk Find(ApplianceDescription appliance, string diskId)
    {
        List<ApplianceDisk> matches = Matches(appliance, diskId);
        return matches.Count == 1 ? matches[0] : throw NotFound(appliance, appliance.Disks.Count == 0
            ? $"The appliance '{appliance.Name}' has no disk '{diskId}', nor any other."
            : $"The appliance '{appliance.Name}' has no disk '{diskId}'; it has {List(appliance.Disks)}.");
    }

    /// <summary>
    /// People do not type ids in their exact case; where two differ by nothing else, the case decides.
    /// </summary>
    private static List<ApplianceDisk> Matches(ApplianceDescription appliance, string diskId)
    {
        List<ApplianceDisk> exact = [.. appliance.Disks
            .Where(d => string.Equals(d.DiskId, diskId, StringComparison.Ordinal))];
        return exact.Count > 0
            ? exact
            : [.. appliance.Disks.Where(d => string.Equals(d.DiskId, diskId, StringComparison.OrdinalIgnoreCase))];
    }

    private static NataliaException NotFound(ApplianceDescription appliance, string message) =>
        new(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound, message, appliance.Name,
        appliance.Disks.Count == 0
            ? "Check the VM on its hypervisor."
            : $"Name one of its disks: -DataDisk '{appliance.Disks[0].DiskId}'.");

    private static string List(IEnumerable<ApplianceDisk> disks) =>
        string.Join(", ", disks.Select(d => $"'{d.DiskId}'"));
}
