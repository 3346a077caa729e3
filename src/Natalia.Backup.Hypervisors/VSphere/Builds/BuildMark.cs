using System.Xml.Linq;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>The record of a building, in the VM's extra configuration from its first moment on.</summary>
/// <param name="BuildId">The building's id.</param>
/// <param name="StartedUtc">When it began, UTC, in whole seconds.</param>
/// <param name="Folder">The folder of its disks, <c>[datastore] folder</c>; named before it is made.</param>
internal sealed record BuildMark(string BuildId, DateTime StartedUtc, string Folder)
{
    internal const string Key = "natalia.building";

    /// <summary>Where the folder of the disks stays noted when the building is over: of a test VM it goes with it.
    /// </summary>
    internal const string FolderKey = "natalia.folder";

    private const string FolderPrefix = "natalia-";

    /// <summary>A folder for the disks of one building.</summary>
    internal static string NewFolder(string datastore) => $"[{datastore}] {FolderPrefix}{Guid.NewGuid():N}";

    /// <summary>
    /// Whether a text names a folder that a building made, and nothing above, below or beside it: what a record says
    /// is removed only then, whoever wrote it.
    /// </summary>
    internal static bool IsFolder(string text)
    {
        int end = text.IndexOf("] ", StringComparison.Ordinal);
        string name = end < 0 ? "" : text.Substring(end + 2);
        return text.StartsWith("[", StringComparison.Ordinal) && name.StartsWith(FolderPrefix, StringComparison.Ordinal)
            && Guid.TryParseExact(name.Substring(FolderPrefix.Length), "N", out _);
    }

    /// <summary>
    /// A disk of a VM, or an image below one, that does not lie in the folder of its building: somebody else's, which
    /// the VM's removal would take along. Null when there is none.
    /// </summary>
    /// <param name="machine">The VM.</param>
    /// <param name="folder">The folder as its record names it; null when it has none.</param>
    internal static string? FindForeignDisk(VirtualMachine machine, string? folder)
    {
        foreach (VirtualDiskDevice disk in machine.Disks)
            foreach (string? file in disk.Parents.Prepend(disk.FileName))
                if (!IsIn(folder, file)) return string.IsNullOrEmpty(file) ? disk.DiskId : file;
        return null;
    }

    private static bool IsIn(string? folder, string? file) => folder is not null && IsFolder(folder)
        && file?.StartsWith(folder + "/", StringComparison.Ordinal) == true && !file.Contains("..");

    internal string ToText() => $"{BuildId} {MarkTime.ToText(StartedUtc)} {Folder}";

    internal static BuildMark? Of(XElement? config)
    {
        string[] parts = (Marks.Read(config, Key) ?? "").Split([' '], 3);
        return parts.Length == 3 && MarkTime.TryParse(parts[1]) is DateTime time
            ? new BuildMark(parts[0], time, parts[2])
            : null;
    }
}

/// <summary>The mark of a test, in the VM's extra configuration from its first moment on.</summary>
/// <param name="RunId">The test's id.</param>
/// <param name="CreatedUtc">When it was made, UTC, in whole seconds.</param>
/// <param name="Network">The network that it must be on.</param>
internal sealed record TestMark(string RunId, DateTime CreatedUtc, string Network)
{
    internal const string Key = "natalia.test";

    internal string ToText() => $"{RunId} {MarkTime.ToText(CreatedUtc)} {Network}";

    internal static TestMark? Of(XElement? config)
    {
        string[] parts = (Marks.Read(config, Key) ?? "").Split([' '], 3);
        return parts.Length == 3 && MarkTime.TryParse(parts[1]) is DateTime time
            ? new TestMark(parts[0], time, parts[2])
            : null;
    }
}
