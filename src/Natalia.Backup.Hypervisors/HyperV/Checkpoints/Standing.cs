using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;

namespace Natalia.Backup.Hypervisors.HyperV.Checkpoints;

/// <summary>
/// What stands of a VM at one moment: its checkpoints and its reference points, those of all products and people.
/// </summary>
internal sealed record Standing(IReadOnlyList<CimRow> Snapshots, IReadOnlyList<CimRow> References)
{
    internal const string SnapshotClass = "Msvm_VirtualSystemSettingData";
    internal const string ReferenceClass = "Msvm_VirtualSystemReferencePoint";

    internal static async Task<Standing> ReadAsync(Machine machine, CancellationToken cancellationToken) =>
        new(await machine.Host.AssociatorsAsync(machine.Path, "Msvm_SnapshotOfVirtualSystem", SnapshotClass,
                cancellationToken).ConfigureAwait(false),
            await machine.Host.AssociatorsAsync(machine.Path, "Msvm_ReferencePointOfVirtualSystem", ReferenceClass,
                cancellationToken).ConfigureAwait(false));

    /// <summary>
    /// The checkpoint of a backup: by the id that was recorded, else by the name with the run's random id that it got
    /// at its making, which was recorded before.
    /// </summary>
    internal CimRow? SnapshotOf(BackupMark mark) => Find(Snapshots, mark.SnapshotId, mark.CheckpointName);

    /// <summary>The reference point of a backup, found in the same ways.</summary>
    internal CimRow? ReferenceOf(BackupMark mark) => Find(References, mark.ReferenceId, mark.CheckpointName);

    /// <summary>The checkpoints that are recorded by none of our runs: other products' and people's.</summary>
    internal IReadOnlyList<CimRow> Foreign(Machine machine)
    {
        HashSet<string?> ours = new(NoteText.Backups(machine.Settings.Texts("Notes"), machine.Id)
            .Select(m => SnapshotOf(m)?.Text("InstanceID")));
        return [.. Snapshots.Where(s => !ours.Contains(s.Text("InstanceID")))];
    }

    /// <summary>Whether a checkpoint was made by a backup, and by no person.</summary>
    internal static bool IsOfBackup(CimRow snapshot) =>
        snapshot.Text("VirtualSystemType") == "Microsoft:Hyper-V:Snapshot:Recovery";

    private static CimRow? Find(IReadOnlyList<CimRow> rows, string? id, string name) =>
        rows.FirstOrDefault(r => id is not null && r.Text("InstanceID") == id)
        ?? rows.FirstOrDefault(r => r.Text("ElementName") == name);
}
