using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;

namespace Natalia.Backup.Hypervisors.HyperV.Tracking;

/// <summary>Names the state of a disk that changes are counted from.</summary>
/// <param name="ReferenceId">The reference point that keeps it.</param>
/// <param name="VirtualDiskId">Which disk it is, whatever its file is called.</param>
/// <param name="RctId">What the host's change tracking calls the state.</param>
/// <param name="Probe">A hash of some bytes of the state: <see cref="DiskProbe"/>.</param>
/// <param name="Applied">The checkpoint that the VM was last set back to; <c>-</c> for none.</param>
/// <param name="Host">The host that the VM ran on, and since when that was up; <c>-</c> when unknown.</param>
/// <param name="Stood">Whether a checkpoint of a person stood then: <c>yes</c> or <c>no</c>; null when it was not
/// looked at.</param>
internal sealed record RctToken(string ReferenceId, string VirtualDiskId, string RctId, string Probe, string Applied,
    string Host, string? Stood)
{
    private const string Version = "hyperv1";
    private const char Between = '|';

    internal string ToText() => string.Join(Between.ToString(), Version, ReferenceId, VirtualDiskId, RctId, Probe,
        Applied, Host) + (Stood is null ? "" : Between + Stood);

    internal static RctToken? TryParse(string text)
    {
        string[] parts = text.Split(Between);
        return parts.Length is 6 or 7 or 8 && parts[0] == Version && parts[1].Length > 0 && parts[3].Length > 0
            ? new RctToken(parts[1], parts[2], parts[3], parts[4], parts[5], parts.Length > 6 ? parts[6] : "-",
                parts.Length > 7 ? parts[7] : null)
            : null;
    }

    /// <summary>
    /// The tokens of a reference point, by disk: its two lists belong together, one entry for each disk. Where they do
    /// not fit, no disk is tracked.
    /// </summary>
    internal static IReadOnlyDictionary<string, RctToken> Of(BackupMark mark, CimRow reference,
        IReadOnlyList<DiskSlot> slots)
    {
        var tokens = new Dictionary<string, RctToken>(StringComparer.Ordinal);
        IReadOnlyList<string> disks = reference.Texts("VirtualDiskIdentifiers");
        IReadOnlyList<string> ids = reference.Texts("ResilientChangeTrackingIdentifiers");
        if (disks.Count != ids.Count || reference.Text("InstanceID") is not string referenceId) return tokens;
        foreach (MarkedDisk disk in mark.Disks)
        {
            string? key = slots.FirstOrDefault(s => s.DiskId == disk.DiskId)?.Key;
            List<int> fits = [.. Enumerable.Range(0, disks.Count).Where(i => IsThat(disks[i], key, disk))];
            if (fits.Count == 1 && ids[fits[0]].Length > 0 && disk.Probe is string probe)
                tokens[disk.DiskId] = new RctToken(referenceId, disk.VirtualDiskId, ids[fits[0]], probe,
                    mark.AppliedId ?? "-", mark.Host ?? "-", mark.Stood);
        }
        return tokens;
    }

    /// <summary>
    /// How a host writes which disk it means was seen with the id of the VM in front and with that of the checkpoint;
    /// what follows is the same place on the same controller.
    /// </summary>
    private static bool IsThat(string identifier, string? key, MarkedDisk disk) =>
        string.Equals(DiskSlot.KeyOf(identifier), key, StringComparison.OrdinalIgnoreCase)
        || string.Equals(identifier.Trim('{', '}'), disk.VirtualDiskId, StringComparison.OrdinalIgnoreCase);
}
