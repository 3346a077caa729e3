using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.HyperV.Notes;

/// <summary>The record of a building, in the notes of the VM from its first moment on.</summary>
/// <param name="BuildId">The building's id.</param>
/// <param name="StartedUtc">When it began.</param>
/// <param name="Folder">The folder that was made for its disks, as the host has it.</param>
internal sealed record BuildMark(string BuildId, DateTime StartedUtc, string Folder)
{
    internal const string Prefix = "natalia-building:";

    internal string ToLine() => $"{Prefix} {BuildId} {MarkTime.ToText(StartedUtc)} {Folder}";

    internal static BuildMark? TryParse(string line)
    {
        if (!line.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        string[] parts = line.Substring(Prefix.Length).Trim().Split([' '], 3);
        return parts.Length == 3 && MarkTime.TryParse(parts[1]) is DateTime time
            ? new BuildMark(parts[0], time, parts[2]) : null;
    }
}
