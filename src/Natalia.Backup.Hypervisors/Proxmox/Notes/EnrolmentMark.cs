using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Proxmox.Notes;

/// <summary>
/// The line in a VM's notes that says into which storage it is backed up, one for each storage. It names the VM's
/// number, so that a copy of the VM, which has the same notes, is not enrolled with it.
/// </summary>
internal sealed record EnrolmentMark(string Vmid, string Storage, string? DataDisk, bool IncludesSystemDisk,
    BackupStrategy? Strategy = null)
{
    private static readonly Regex s_line =
        new(@"\n?\[natalia-backup enrolled=(?<vmid>\d+) storage=(?<storage>[A-Za-z0-9._-]+)"
            + @"(?: data-disk=(?<disk>[a-z0-9]+))? system-disk=(?<system>[01])(?: strategy=(?<strategy>[A-Za-z]+))?\]",
        RegexOptions.CultureInvariant);

    /// <summary>The marks of a VM in a text that holds its notes.</summary>
    internal static IReadOnlyList<EnrolmentMark> Parse(string text, string vmid) =>
    [
        .. from Match m in s_line.Matches(text)
           where m.Groups["vmid"].Value == vmid
           select new EnrolmentMark(vmid, m.Groups["storage"].Value,
               m.Groups["disk"].Success ? m.Groups["disk"].Value : null, m.Groups["system"].Value == "1",
               Enum.TryParse(m.Groups["strategy"].Value, out BackupStrategy strategy) ? strategy : null),
    ];

    /// <summary>
    /// The notes with this mark instead of the one for the same storage. Those of other storages stay, and so does what
    /// people wrote.
    /// </summary>
    internal string AddTo(string description)
    {
        string rest = RemoveFrom(description, Vmid, Storage);
        return rest + (rest.Length > 0 ? "\n" : "") + this;
    }

    /// <summary>The notes without the mark of a VM for a storage.</summary>
    internal static string RemoveFrom(string description, string vmid, string storage) =>
        s_line.Replace(description,
            m => m.Groups["vmid"].Value == vmid && m.Groups["storage"].Value == storage ? "" : m.Value).TrimEnd('\n');

    public override string ToString() =>
        string.Format(CultureInfo.InvariantCulture, "[natalia-backup enrolled={0} storage={1}{2} system-disk={3}{4}]",
            Vmid, Storage, DataDisk is null ? "" : " data-disk=" + DataDisk, IncludesSystemDisk ? "1" : "0",
            Strategy is BackupStrategy strategy ? " strategy=" + strategy : "");
}
