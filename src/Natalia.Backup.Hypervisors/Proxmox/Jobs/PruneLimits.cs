using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Jobs;

/// <summary>
/// The server's retention, which is text on the way in, and an object with numbers or text on the way out.
/// </summary>
internal static class PruneLimits
{
    internal static RetentionLimits? Read(JsonElement? value)
    {
        if (value is not { } v) return null;
        if (v.ValueKind == JsonValueKind.Object) return From(k => (int?)v.Long(k));
        return v.AsText() is string text ? Parse(text) : null;
    }

    internal static RetentionLimits Parse(string text)
    {
        PropertyString parsed = PropertyString.Parse(text);
        return From(
            k => int.TryParse(parsed[k], NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : null);
    }

    /// <summary>
    /// The limits in the server's words: what is 0 is left out, since a backup server does not take it.
    /// </summary>
    internal static string Text(RetentionLimits limits)
    {
        if (limits.KeepsAll) return "keep-all=1";
        var parts = new List<string>();
        Add("keep-last", limits.Last);
        Add("keep-hourly", limits.Hourly);
        Add("keep-daily", limits.Daily);
        Add("keep-weekly", limits.Weekly);
        Add("keep-monthly", limits.Monthly);
        Add("keep-yearly", limits.Yearly);
        return string.Join(",", parts);

        void Add(string name, int n)
        {
            if (n > 0) parts.Add($"{name}={n.ToString(CultureInfo.InvariantCulture)}");
        }
    }

    private static RetentionLimits From(Func<string, int?> get) =>
        new(get("keep-last") ?? 0, get("keep-hourly") ?? 0, get("keep-daily") ?? 0, get("keep-weekly") ?? 0,
            get("keep-monthly") ?? 0, get("keep-yearly") ?? 0);
}
