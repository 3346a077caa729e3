using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Tracking;

/// <summary>
/// On which host a VM ran, and since when that host was up: change tracking is believed as long as both stay, or the
/// host went down cleanly.
/// </summary>
/// <param name="Name">The name that the host gives itself.</param>
/// <param name="BootUtc">When it started, UTC.</param>
internal sealed record HostRun(string Name, DateTime BootUtc)
{
    private const string SystemNamespace = "root/cimv2", Generated = "TimeGenerated";

    /// <summary>The event that Windows writes when it starts and had not gone down cleanly (Kernel-Power).</summary>
    private const string WentDownUncleanly = "41";

    /// <summary>
    /// The event of the log service at every start of Windows. A log without it was not shown to this user, or has lost
    /// what is older: then it tells nothing of how the host went down either.
    /// </summary>
    private const string LogStarted = "6005";

    /// <summary>The event of the log service that tells each day since when Windows is up.</summary>
    private const string Uptime = "6013";

    /// <summary>Windows counts the time of its start back from now, so that a corrected clock moves it.</summary>
    private static readonly TimeSpan s_tolerance = TimeSpan.FromMinutes(2);

    /// <summary>Within this time after Windows has begun to start, its log service runs.</summary>
    private static readonly TimeSpan s_startTime = TimeSpan.FromMinutes(15);

    internal string ToText() => $"{Name}:{MarkTime.ToText(BootUtc)}";

    internal static HostRun? TryParse(string? text)
    {
        int colon = text?.LastIndexOf(':') ?? -1;
        return colon > 0 && MarkTime.TryParse(text!.Substring(colon + 1)) is DateTime boot
            ? new HostRun(text.Substring(0, colon), boot) : null;
    }

    /// <summary>Reads it; null when the host does not tell it to this user.</summary>
    internal static async Task<HostRun?> ReadAsync(HyperVHost host, CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow>? found = await TryQueryAsync(host, Wql.All("Win32_OperatingSystem"), cancellationToken)
            .ConfigureAwait(false);
        return found?.FirstOrDefault() is CimRow system && system.Text("CSName") is string name
            && system.Time("LastBootUpTime") is DateTime boot ? new HostRun(name, boot) : null;
    }

    /// <summary>Why tracking that began in this run of a host is not believed in another one; null when it is.
    /// </summary>
    /// <param name="now">The run in which it is asked.</param>
    /// <param name="host">The host that is asked.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task<string?> WhyNotAsync(HostRun now, HyperVHost host, CancellationToken cancellationToken)
    {
        if (!string.Equals(Name, now.Name, StringComparison.OrdinalIgnoreCase))
            return $"the VM was moved from the host '{Name}' to '{now.Name}' since its last point";
        if ((now.BootUtc - BootUtc).Duration() <= s_tolerance) return null;
        IReadOnlyList<CimRow>? unclean = await EventsAsync(host, WentDownUncleanly, cancellationToken)
            .ConfigureAwait(false);
        if (unclean?.Any(e => e.Time(Generated) is not DateTime time || IsLater(time)) == true)
            return "the host did not go down cleanly since its last point";
        IReadOnlyList<CimRow>? starts = await EventsAsync(host, LogStarted, cancellationToken).ConfigureAwait(false);
        // Its last start; and the one of then, or an older one: else something in between may be gone from the log.
        return unclean is null || !IsThere(IsLater) || !IsThere(time => time <= BootUtc + s_startTime)
            ? "the host was started anew since its last point, and does not tell whether it had gone down cleanly"
            : null;

        bool IsLater(DateTime time) => time > BootUtc + s_tolerance;

        bool IsThere(Func<DateTime, bool> isIt) =>
            starts?.Any(e => e.Time(Generated) is DateTime time && isIt(time)) == true;
    }

    /// <summary>Whether the host shows this user its System log. One that is up for long has lost its start there.
    /// </summary>
    internal static async Task<bool> ShowsLogAsync(HyperVHost host, CancellationToken cancellationToken) =>
        (await EventsAsync(host, LogStarted, cancellationToken).ConfigureAwait(false))?.Count > 0
        || (await EventsAsync(host, Uptime, cancellationToken).ConfigureAwait(false))?.Count > 0;

    private static Task<IReadOnlyList<CimRow>?> EventsAsync(HyperVHost host, string code,
        CancellationToken cancellationToken) =>
        TryQueryAsync(host, Wql.Where("Win32_NTLogEvent", "Logfile", "System", "EventCode", code), cancellationToken);

    private static async Task<IReadOnlyList<CimRow>?> TryQueryAsync(HyperVHost host, string wql,
        CancellationToken cancellationToken)
    {
        try
        {
            return await host.QueryAsync(wql, cancellationToken, SystemNamespace).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.Kind is not NataliaErrorKind.Connection)
        {
            return null;
        }
    }
}
