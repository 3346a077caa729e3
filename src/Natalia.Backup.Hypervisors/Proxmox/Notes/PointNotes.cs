using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Proxmox.Notes;

/// <summary>
/// The first line of a point's notes, in which the product keeps what Proxmox has no place for. Lists show only that
/// line.
/// </summary>
internal sealed record PointNotes(string RunId, bool DataDiskOnly, Consistency Consistency, BackupType Type,
    RequestedBackupType RequestedType)
{
    private static readonly Regex s_guestName = new(@"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_mark =
        new(@"\[natalia-backup run=(?<run>[0-9a-zA-Z-]+) disks=(?<disks>\w+)(?: requested=(?<requested>\w+))?"
            + @"(?: type=(?<type>\w+))?(?: consistency=(?<consistency>\w+))?\]",
        RegexOptions.CultureInvariant);

    private static readonly Regex s_baseline =
        new(@"\[natalia-backup cdr=(?<count>\d{1,15}) day=(?<day>\d{4}-\d{2}-\d{2})(?<counted> counted)?"
            + @" zone=(?<zone>[A-Za-z0-9_/+ .()-]{1,100})\]",
        RegexOptions.CultureInvariant);

    /// <summary>The count of call records that a restore test compares with, or null.</summary>
    internal CdrBaseline? CdrBaseline { get; init; }

    internal static PointNotes? Parse(string? notes)
    {
        Match m = s_mark.Match(notes ?? "");
        if (!m.Success) return null;
        return new PointNotes(m.Groups["run"].Value, m.Groups["disks"].Value == "data",
            Enum.TryParse(m.Groups["consistency"].Value, out Consistency c) ? c : Consistency.Unknown,
            Enum.TryParse(m.Groups["type"].Value, out BackupType t) ? t : BackupType.Unknown,
            Enum.TryParse(m.Groups["requested"].Value, out RequestedBackupType r) ? r : RequestedBackupType.Auto)
        {
            CdrBaseline = ParseBaseline(notes!),
        };
    }

    private static CdrBaseline? ParseBaseline(string notes)
    {
        Match m = s_baseline.Match(notes);
        return !m.Success ? null : new CdrBaseline
        {
            Count = long.Parse(m.Groups["count"].Value, CultureInfo.InvariantCulture),
            BusinessDay = m.Groups["day"].Value,
            TimeZone = m.Groups["zone"].Value,
            IsCounted = m.Groups["counted"].Success,
        };
    }

    /// <summary>What is left for people when the mark is taken away.</summary>
    internal static string? HumanPart(string? notes) =>
        s_baseline.Replace(s_mark.Replace(notes ?? "", ""), "").Trim() is { Length: > 0 } text ? text : null;

    /// <summary>
    /// The VM's name, which stands before the mark of this product unless somebody wrote something else there; null
    /// without a mark.
    /// </summary>
    internal static string? GuestNameIn(string? notes) =>
        notes is not null && s_mark.IsMatch(notes) && HumanPart(notes) is string name && s_guestName.IsMatch(name)
            ? name
            : null;

    /// <summary>The template for a run: the server puts the VM's name in.</summary>
    internal static string Template(string runId, bool dataDiskOnly, RequestedBackupType requested) =>
        $"{{{{guestname}}}} [natalia-backup run={runId} disks={(dataDiskOnly ? "data" : "all")} requested={requested}]";

    /// <summary>The mark with the result in it.</summary>
    public override string ToString() =>
        $"[natalia-backup run={RunId} disks={(DataDiskOnly ? "data" : "all")} requested={RequestedType} type={Type} "
        + $"consistency={Consistency}]"
        + (CdrBaseline is not { } cdr ? "" : string.Format(CultureInfo.InvariantCulture,
            " [natalia-backup cdr={0} day={1}{2} zone={3}]", cdr.Count, cdr.BusinessDay,
            cdr.IsCounted ? " counted" : "", cdr.TimeZone));
}
