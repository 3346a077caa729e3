using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>
/// Where a disk of a VM that is built is attached. A VM of generation 1 starts from its IDE controllers alone.
/// </summary>
/// <param name="IsIde">Whether it is an IDE controller.</param>
/// <param name="Controller">Which one.</param>
/// <param name="Slot">Which place on it.</param>
internal sealed record DiskPlace(bool IsIde, int Controller, int Slot)
{
    private const long IdeController = 5, ScsiController = 6;

    private static readonly Regex s_id = new("^(?<bus>ide|scsi)(?<controller>[0-9]):(?<slot>[0-9]{1,2})$",
        RegexOptions.CultureInvariant);

    /// <summary>
    /// The places of disks: that which a disk had, where the new VM has it, and the next free one of the SCSI
    /// controller else. A system disk without a place is put where the VM starts from.
    /// </summary>
    /// <param name="disks">The disks, as they were called.</param>
    /// <param name="isSecondGeneration">Whether the VM has no IDE controllers.</param>
    internal static IReadOnlyDictionary<string, DiskPlace> Choose(IReadOnlyList<ApplianceDisk> disks,
        bool isSecondGeneration)
    {
        var places = new Dictionary<string, DiskPlace>(StringComparer.Ordinal);
        foreach (string id in disks.Select(d => d.DiskId))
        {
            Match match = s_id.Match(id);
            if (!match.Success) continue;
            var was = new DiskPlace(match.Groups["bus"].Value == "ide", Number("controller"), Number("slot"));
            bool isThere = was.IsIde ? !isSecondGeneration && was is { Controller: < 2, Slot: < 2 }
                : was is { Controller: 0, Slot: < 64 };
            if (isThere && !places.ContainsValue(was)) places[id] = was;

            int Number(string group) => int.Parse(match.Groups[group].Value, NumberStyles.None,
                CultureInfo.InvariantCulture);
        }
        var first = new DiskPlace(true, 0, 0);
        if (!isSecondGeneration && !places.ContainsValue(first) && disks.FirstOrDefault(d =>
            d.Role == DiskRole.System && !places.ContainsKey(d.DiskId)) is ApplianceDisk system)
            places[system.DiskId] = first;
        int free = 0;
        foreach (string id in disks.Select(d => d.DiskId).Where(d => !places.ContainsKey(d)).Distinct().ToList())
        {
            while (places.ContainsValue(new DiskPlace(false, 0, free))) free++;
            places[id] = new DiskPlace(false, 0, free);
        }
        return places;
    }

    /// <summary>Whether a component of a VM is this place's controller.</summary>
    internal bool IsOn(CimRow component) => IsIde
        ? component.Number("ResourceType") == IdeController
            && component.Text("Address") == Controller.ToString(CultureInfo.InvariantCulture)
        : component.Number("ResourceType") == ScsiController;

    public override string ToString() => $"{(IsIde ? "ide" : "scsi")}{Controller}:{Slot}";
}
