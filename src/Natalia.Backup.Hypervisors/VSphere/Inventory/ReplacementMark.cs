using System.Xml.Linq;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>
/// The record of a disk's replacement, in the VM's extra configuration from before its upload until its former image is
/// removed: whoever comes after a process that died finds by it what was left.
/// </summary>
/// <param name="StartedUtc">When it began, UTC, in whole seconds.</param>
/// <param name="Folder">The folder of the new image, <c>[datastore] folder</c>.</param>
/// <param name="Former">The descriptor of the former image, <c>[datastore] folder/name.vmdk</c>.</param>
internal sealed record ReplacementMark(DateTime StartedUtc, string Folder, string Former)
{
    internal const string Key = "natalia.replacing";

    // Every path begins with a bracket.
    private const string Between = " | [";

    internal string ToText() => $"{MarkTime.ToText(StartedUtc)} {Folder}{Between}{Former.Substring(1)}";

    internal static ReplacementMark? Of(XElement? config)
    {
        string text = Marks.Read(config, Key) ?? "";
        int begin = text.IndexOf(' '), end = text.IndexOf(Between, StringComparison.Ordinal);
        return begin > 0 && end > begin && MarkTime.TryParse(text.Substring(0, begin)) is DateTime time
            ? new ReplacementMark(time, text.Substring(begin + 1, end - begin - 1),
                "[" + text.Substring(end + Between.Length))
            : null;
    }
}
