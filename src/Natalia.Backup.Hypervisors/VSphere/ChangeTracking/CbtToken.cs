using System.Globalization;

namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>Names the state of a disk that changes are counted from.</summary>
/// <param name="Disk">Which disk it is: its uuid, else its file.</param>
/// <param name="Capacity">Its size in bytes. Old hosts tell wrong areas of a disk that grew.</param>
/// <param name="ChangeId">What the server calls the state.</param>
internal sealed record CbtToken(string Disk, long Capacity, string ChangeId)
{
    private const string Version = "vsphere1";
    private const char Between = '|';

    /// <summary>The token as a point keeps it.</summary>
    internal string ToText() => string.Join(Between.ToString(), Version, Escape(Disk),
        Capacity.ToString(CultureInfo.InvariantCulture), ChangeId);

    /// <summary>A token of this kind; null for any other text.</summary>
    internal static CbtToken? TryParse(string text) =>
        text.Split([Between], 4) is [Version, string disk, string size, string id]
            && long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long capacity)
            && disk.Length > 0 && id.Length > 0
            ? new CbtToken(disk.Replace("%7C", "|").Replace("%25", "%"), capacity, id)
            : null;

    private static string Escape(string text) => text.Replace("%", "%25").Replace("|", "%7C");
}
