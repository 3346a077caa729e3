using System.Globalization;

namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>Names the state of a disk that changes are counted from.</summary>
/// <param name="Disk">Which disk it is: its uuid, else its file.</param>
/// <param name="Capacity">Its size in bytes. Old hosts tell wrong areas of a disk that grew.</param>
/// <param name="ChangeId">What the server calls the state.</param>
/// <param name="HadImagesBelow">Whether the disk lay upon other images then: its VM may be set back to these, and later
/// snapshots carry the server's number past the one of this state.</param>
internal sealed record CbtToken(string Disk, long Capacity, string ChangeId, bool HadImagesBelow = false)
{
    private const string Version = "vsphere1", VersionAbove = Version + "above";
    private const char Between = '|';

    /// <summary>The token as a point keeps it.</summary>
    internal string ToText() => string.Join(Between.ToString(),
        HadImagesBelow ? VersionAbove : Version, Escape(Disk),
        Capacity.ToString(CultureInfo.InvariantCulture), ChangeId);

    /// <summary>A token of this kind; null for any other text.</summary>
    internal static CbtToken? TryParse(string text) =>
        text.Split([Between], 4) is [Version or VersionAbove, string disk, string size, string id]
            && long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long capacity)
            && disk.Length > 0 && id.Length > 0
            ? new CbtToken(disk.Replace("%7C", "|").Replace("%25", "%"), capacity, id,
                text.StartsWith(VersionAbove + Between, StringComparison.Ordinal))
            : null;

    private static string Escape(string text) => text.Replace("%", "%25").Replace("|", "%7C");
}
