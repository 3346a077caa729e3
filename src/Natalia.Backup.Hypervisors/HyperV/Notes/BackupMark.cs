using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.HyperV.Notes;

/// <summary>
/// What a backup records in the notes of its VM, before it makes anything: one line, that of one run. It moves with
/// the VM from host to host, and whoever runs the next backup reads it there.
/// </summary>
internal sealed record BackupMark
{
    internal const string Prefix = "natalia-backup:";

    private static readonly Regex s_hexadecimal = new("^[0-9a-f]{32}$", RegexOptions.CultureInvariant);
    private static readonly Regex s_plain = new("^[A-Za-z0-9:{}._-]+$", RegexOptions.CultureInvariant);

    internal required string RunId { get; init; }

    internal required string RepositoryId { get; init; }

    internal required string HistoryId { get; init; }

    /// <summary>The VM that the line was written for: a copy of it brings the notes of its original.</summary>
    internal required string MachineId { get; init; }

    internal DateTime StartedUtc { get; init; }

    /// <summary>The InstanceID of the checkpoint, once it is known.</summary>
    internal string? SnapshotId { get; init; }

    /// <summary>The InstanceID of the reference point, once it is known.</summary>
    internal string? ReferenceId { get; init; }

    /// <summary>The checkpoint that the VM was last set back to; null for none.</summary>
    internal string? AppliedId { get; init; }

    /// <summary>The host that it ran on, and since when that was up; null when the host did not tell it.</summary>
    internal string? Host { get; init; }

    /// <summary>
    /// <c>yes</c> when a checkpoint of a person stood beside ours, to which the VM may be set back later; <c>no</c>;
    /// null when it was not looked at.
    /// </summary>
    internal string? Stood { get; init; }

    /// <summary>What the disks were.</summary>
    internal IReadOnlyList<MarkedDisk> Disks { get; init; } = [];

    /// <summary>The name that the checkpoint gets at its making; the run's id in it is random.</summary>
    internal string CheckpointName => "Natalia.Backup " + RunId;

    internal string ToLine()
    {
        string line = $"{Prefix} run={RunId} repository={RepositoryId} history={HistoryId} vm={MachineId} "
            + $"since={MarkTime.ToText(StartedUtc)}";
        if (SnapshotId is not null) line += $" checkpoint={SnapshotId}";
        if (ReferenceId is not null) line += $" reference={ReferenceId}";
        if (AppliedId is not null) line += $" applied={AppliedId}";
        if (Host is not null) line += $" host={Host}";
        if (Stood is not null) line += $" stood={Stood}";
        return line + string.Concat(Disks.Select(d => $" disk={d.DiskId},{d.VirtualDiskId},{d.Probe ?? "-"}"));
    }

    /// <summary>Reads a line; null when it is none of a backup.</summary>
    internal static BackupMark? TryParse(string line)
    {
        if (!line.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var disks = new List<MarkedDisk>();
        foreach (string part in line.Substring(Prefix.Length).Split([' '], StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=');
            if (equals < 0) return null;
            (string name, string value) = (part.Substring(0, equals), part.Substring(equals + 1));
            if (name != "disk") values[name] = value;
            else if (value.Split(',') is [string id, string identity, string probe])
                disks.Add(new MarkedDisk(id, identity, probe == "-" ? null : probe));
            else return null;
        }
        if (!Hex("run", out string run) || !Hex("repository", out string repository) || !Hex("history",
            out string history) || !values.TryGetValue("vm", out string? vm) || !Guid.TryParse(vm, out _)) return null;
        return new BackupMark
        {
            RunId = run,
            RepositoryId = repository,
            HistoryId = history,
            MachineId = vm,
            StartedUtc = values.TryGetValue("since", out string? since) && MarkTime.TryParse(since) is DateTime time
                ? time : default,
            SnapshotId = Plain("checkpoint"),
            ReferenceId = Plain("reference"),
            AppliedId = Plain("applied"),
            Host = Plain("host"),
            Stood = Plain("stood"),
            Disks = disks,
        };

        bool Hex(string name, out string value) =>
            values.TryGetValue(name, out value!) && s_hexadecimal.IsMatch(value);

        string? Plain(string name) => values.TryGetValue(name, out string? value) && s_plain.IsMatch(value)
            ? value : null;
    }
}

/// <summary>A disk as it was when it was frozen.</summary>
/// <param name="DiskId">Which one.</param>
/// <param name="VirtualDiskId">What tells it from others; <c>-</c> when unknown.</param>
/// <param name="Probe">A hash of some of its bytes, once they were read.</param>
internal sealed record MarkedDisk(string DiskId, string VirtualDiskId, string? Probe);
