using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Snapshots;

/// <summary>
/// What a snapshot of ours has in its description, given in the very call that makes it: whoever runs the next backup
/// reads it there. A name or a description of somebody else's that looks alike is none.
/// </summary>
internal sealed record SnapshotMark
{
    private const string BackupPrefix = "natalia-backup:";
    private const string NotePrefix = "natalia-snapshot:";

    private static readonly Regex s_hexadecimal = new("^[0-9a-f]{32}$", RegexOptions.CultureInvariant);

    internal required string RunId { get; init; }

    /// <summary>The repository that the backup goes into; empty for a snapshot that a person wished.</summary>
    internal string RepositoryId { get; init; } = "";

    internal string HistoryId { get; init; } = "";

    /// <summary>The instance UUID of the VM that it was written for: a copy of a VM brings its descriptions.</summary>
    internal required string MachineId { get; init; }

    internal DateTime StartedUtc { get; init; }

    /// <summary>What was reached, in one word; null where it is not known.</summary>
    internal string? Note { get; init; }

    internal bool IsBackup => RepositoryId.Length > 0;

    /// <summary>The name; the run's id in it is random.</summary>
    internal string Name => (IsBackup ? "Natalia.Backup " : "Natalia snapshot ") + RunId;

    internal string ToDescription()
    {
        string line = $"{(IsBackup ? BackupPrefix : NotePrefix)} run={RunId}";
        if (IsBackup) line += $" repository={RepositoryId} history={HistoryId}";
        line += $" vm={MachineId} since={MarkTime.ToText(StartedUtc)}";
        return string.IsNullOrWhiteSpace(Note) ? line : line + "\n" + Note;
    }

    /// <summary>The mark of a snapshot of this VM; null when it bears none.</summary>
    internal static SnapshotMark? Of(SnapshotNode snapshot, VirtualMachine machine) =>
        TryParse(snapshot.Description) is SnapshotMark mark
        && string.Equals(mark.MachineId, machine.InstanceUuid, StringComparison.OrdinalIgnoreCase)
            ? mark
            : null;

    internal static SnapshotMark? TryParse(string description)
    {
        string[] lines = description.Split(['\n'], 2);
        string line = lines[0].Trim();
        bool isBackup = line.StartsWith(BackupPrefix, StringComparison.Ordinal);
        if (!isBackup && !line.StartsWith(NotePrefix, StringComparison.Ordinal)) return null;
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string part in line.Substring(line.IndexOf(':') + 1).Split([' '],
            StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=');
            if (equals < 0) return null;
            values[part.Substring(0, equals)] = part.Substring(equals + 1);
        }
        if (!Hex("run", out string run) || !values.TryGetValue("vm", out string? machine)) return null;
        string repository = "", history = "";
        if (isBackup && (!Hex("repository", out repository) || !Hex("history", out history))) return null;
        return new SnapshotMark
        {
            RunId = run,
            RepositoryId = repository,
            HistoryId = history,
            MachineId = machine,
            StartedUtc = values.TryGetValue("since", out string? since) && MarkTime.TryParse(since) is DateTime time
                ? time : default,
            Note = lines.Length > 1 ? lines[1] : null,
        };

        bool Hex(string name, out string value) =>
            values.TryGetValue(name, out value!) && s_hexadecimal.IsMatch(value);
    }
}
