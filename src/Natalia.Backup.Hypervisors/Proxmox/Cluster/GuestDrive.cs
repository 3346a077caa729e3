using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>A drive of a VM's configuration.</summary>
internal sealed record GuestDrive(string Key, PropertyString Properties)
{
    private static readonly Regex s_cloudInit = new(@"[:/](vm-\d+-)?cloudinit(\.\w+)?$", RegexOptions.CultureInvariant);

    internal string? Volume => Properties["file"] ?? Properties["volume"] ?? Properties.Bare;

    internal string? Storage =>
        Volume is string v && v.IndexOf(':') is int colon and > 0 && !v.StartsWith("/", StringComparison.Ordinal)
            ? v.Substring(0, colon)
            : null;

    internal bool IsCdRom =>
        Properties["media"] == "cdrom" || Volume is "none" or "cdrom"
        || (Volume is not null && s_cloudInit.IsMatch(Volume));

    /// <summary>EFI variables and TPM state: small, needed to boot, and without a switch to leave them out.</summary>
    internal bool IsFirmware => Key is "efidisk0" or "tpmstate0";

    /// <summary>A drive is in every backup unless its configuration says otherwise.</summary>
    internal bool IsBackedUp => JsonTolerance.ParseFlag(Properties["backup"]) != false;

    internal bool IsReplicated => JsonTolerance.ParseFlag(Properties["replicate"]) != false;

    internal long? SizeBytes => ParseSize(Properties["size"]);

    /// <summary>A number with K, M, G or T behind it, powers of 1024.</summary>
    internal static long? ParseSize(string? text)
    {
        if (string.IsNullOrEmpty(text)) return null;
        char unit = char.ToUpperInvariant(text![text.Length - 1]);
        int shift = unit switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        string digits = shift == 0 ? text : text.Substring(0, text.Length - 1);
        return double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double n)
            ? (long)(n * (1L << shift))
            : null;
    }
}
