using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>
/// The record of a disk's replacement, in the VM's extra configuration from before its upload until its former image is
/// removed: whoever comes after a process that died finds by it what was left.
/// </summary>
/// <param name="StartedUtc">When it began, UTC, in whole seconds.</param>
/// <param name="MachineId">The instance UUID of the VM that it was written for: a copy of a VM brings its
/// options.</param>
/// <param name="Owner">A random id of whoever wrote it last: a replacement whose record bears another one is not to go
/// on.</param>
/// <param name="Folder">The folder of the new image, <c>[datastore] folder</c>.</param>
/// <param name="Former">The descriptor of the former image, <c>[datastore] folder/name.vmdk</c>.</param>
internal sealed record ReplacementMark(DateTime StartedUtc, string MachineId, string Owner, string Folder,
    string Former)
{
    internal const string Key = "natalia.replacing";

    // Every path begins with a bracket.
    private const string Between = " | [";

    internal static string NewOwner() => Guid.NewGuid().ToString("N");

    internal string ToText() =>
        $"{MarkTime.ToText(StartedUtc)} {MachineId} {Owner} {Folder}{Between}{Former.Substring(1)}";

    /// <summary>The record of this VM; null when it has none, or another VM's.</summary>
    internal static ReplacementMark? Of(VirtualMachine machine)
    {
        string[] parts = (Marks.Read(machine.Config, Key) ?? "").Split([' '], 4);
        if (parts.Length < 4 || MarkTime.TryParse(parts[0]) is not DateTime time
            || !string.Equals(parts[1], machine.InstanceUuid, StringComparison.OrdinalIgnoreCase))
            return null;
        int end = parts[3].IndexOf(Between, StringComparison.Ordinal);
        return end < 0 ? null : new ReplacementMark(time, parts[1], parts[2], parts[3].Substring(0, end),
            "[" + parts[3].Substring(end + Between.Length));
    }
}
