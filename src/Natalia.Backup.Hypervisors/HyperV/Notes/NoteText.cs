namespace Natalia.Backup.Hypervisors.HyperV.Notes;

/// <summary>The notes of a VM: what people wrote, and lines of this product behind it.</summary>
internal static class NoteText
{
    private static readonly string[] s_prefixes = [BackupMark.Prefix, BuildMark.Prefix, TestMark.Prefix];

    /// <summary>The backups that are recorded for a VM.</summary>
    internal static IReadOnlyList<BackupMark> Backups(IReadOnlyList<string> notes, string machineId) =>
        [.. Lines(notes).Select(BackupMark.TryParse).OfType<BackupMark>()
            .Where(m => string.Equals(m.MachineId, machineId, StringComparison.OrdinalIgnoreCase))];

    /// <summary>The record of the building of a VM; null when there is none.</summary>
    internal static BuildMark? Build(IReadOnlyList<string> notes) =>
        Lines(notes).Select(BuildMark.TryParse).FirstOrDefault(m => m is not null);

    /// <summary>The mark of a test on a VM; null when there is none.</summary>
    internal static TestMark? Test(IReadOnlyList<string> notes) =>
        Lines(notes).Select(TestMark.TryParse).FirstOrDefault(m => m is not null);

    /// <summary>The notes with one backup's line put in, exchanged or (null) taken out.</summary>
    internal static string WithBackup(IReadOnlyList<string> notes, string runId, BackupMark? mark)
    {
        List<string> lines = [.. Lines(notes).Where(l => BackupMark.TryParse(l)?.RunId != runId)];
        if (mark is not null) lines.Add(mark.ToLine());
        return Join(lines);
    }

    /// <summary>The notes without the record of a building.</summary>
    internal static string WithoutBuild(IReadOnlyList<string> notes) =>
        Join([.. Lines(notes).Where(l => BuildMark.TryParse(l) is null)]);

    /// <summary>What people wrote.</summary>
    internal static string WithoutMarks(IReadOnlyList<string> notes) => Join([.. Lines(notes)
        .Where(l => !s_prefixes.Any(p => l.StartsWith(p, StringComparison.Ordinal)))]);

    private static IEnumerable<string> Lines(IReadOnlyList<string> notes) =>
        notes.SelectMany(n => n.Replace("\r\n", "\n").Split('\n')).Select(l => l.TrimEnd());

    private static string Join(List<string> lines)
    {
        while (lines.Count > 0 && lines[lines.Count - 1].Length == 0) lines.RemoveAt(lines.Count - 1);
        return string.Join("\r\n", lines);
    }
}
