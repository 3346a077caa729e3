using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Hypervisors.Proxmox.Notes;

/// <summary>
/// The line in a VM's notes that says how its points in a storage are restore-tested. It names the VM's number, so that
/// a copy of the VM, which has the same notes, is not meant. The settings are JSON in Base64, which no notes break.
/// </summary>
internal static class RestoreTestMark
{
    /// <summary>Proxmox VE takes 8 KiB of notes for a VM; people write there, too.</summary>
    private const int MaximumLength = 6000;

    private static readonly Regex s_line =
        new(@"\n?\[natalia-backup restore-test=(?<vmid>\d+) storage=(?<storage>[A-Za-z0-9._-]+)"
            + @" settings=(?<settings>[A-Za-z0-9+/=]+)\]", RegexOptions.CultureInvariant);

    /// <summary>The settings for a storage; null where there are none, or where they cannot be read.</summary>
    internal static RestoreTestSettings? Parse(string notes, string vmid, string storage)
    {
        Match? line = s_line.Matches(notes).Cast<Match>().FirstOrDefault(m => IsOf(m, vmid, storage));
        if (line is null) return null;
        try
        {
            return RestoreTestSettingsJson.Decode(
                Encoding.UTF8.GetString(Convert.FromBase64String(line.Groups["settings"].Value)));
        }
        catch (FormatException)
        {
            // Somebody wrote into the line. Without settings the defaults hold.
            return null;
        }
    }

    /// <summary>The notes with this line instead of the one for the same storage; without any for null.</summary>
    /// <exception cref="NataliaException"><c>SettingsTooLong</c>.</exception>
    internal static string AddTo(string notes, string vmid, string storage, RestoreTestSettings? settings)
    {
        string rest = s_line.Replace(notes, m => IsOf(m, vmid, storage) ? "" : m.Value).TrimEnd('\n');
        if (settings is null || settings.IsEmpty) return rest;
        string text = Convert.ToBase64String(Encoding.UTF8.GetBytes(RestoreTestSettingsJson.Encode(settings)));
        if (text.Length > MaximumLength)
            throw new NataliaException(ErrorIds.SettingsTooLong, NataliaErrorKind.InvalidArgument,
                $"The settings of restore tests of VM {vmid} are too long for its notes: {text.Length} characters, and "
                + $"{MaximumLength} have room.", vmid, "Shorten the business calendar or the commands.");
        return rest + (rest.Length > 0 ? "\n" : "") + string.Format(CultureInfo.InvariantCulture,
            "[natalia-backup restore-test={0} storage={1} settings={2}]", vmid, storage, text);
    }

    private static bool IsOf(Match line, string vmid, string storage) =>
        line.Groups["vmid"].Value == vmid && line.Groups["storage"].Value == storage;
}
