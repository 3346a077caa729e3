using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.HyperV.Notes;

/// <summary>The mark of a test, in the notes of the VM from its first moment on.</summary>
/// <param name="RunId">The test's id.</param>
/// <param name="CreatedUtc">When it was made.</param>
/// <param name="Folder">The folder that was made for its disks, as the host has it.</param>
/// <param name="Network">The switch that it must be on.</param>
internal sealed record TestMark(string RunId, DateTime CreatedUtc, string Folder, string Network)
{
    internal const string Prefix = "natalia-test:";

    // Neither a path nor a switch's name that a path may hold has this in it.
    private const string Between = " | ";

    internal string ToLine() => $"{Prefix} {RunId} {MarkTime.ToText(CreatedUtc)} {Folder}{Between}{Network}";

    internal static TestMark? TryParse(string line)
    {
        if (!line.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        string[] parts = line.Substring(Prefix.Length).Trim().Split([' '], 3);
        if (parts.Length < 3 || MarkTime.TryParse(parts[1]) is not DateTime time) return null;
        int end = parts[2].IndexOf(Between, StringComparison.Ordinal);
        return end < 0 ? null : new TestMark(parts[0], time, parts[2].Substring(0, end),
            parts[2].Substring(end + Between.Length));
    }
}
