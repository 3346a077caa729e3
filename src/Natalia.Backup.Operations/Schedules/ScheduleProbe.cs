using System.Globalization;
using System.Security;
using System.Text.Json;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules;

/// <summary>
/// Tries a schedule as its account, without a backup: whether the account is let in, may read module and profile, gets
/// its secrets, and reaches what the profile names.
/// </summary>
internal static class ScheduleProbe
{
    /// <summary>What the report's line on standard output begins with; written by the module's script.</summary>
    private const string Mark = "natalia-probe ";

    private const int ShownOutput = 500;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    /// <summary>Runs the probe, and says what it found; NotEvidenced where it could not be run.</summary>
    internal static async Task<IReadOnlyList<CheckResult>> ExecuteAsync(IScheduler scheduler,
        ScheduleDefinition schedule, SecureString? password, TimeProvider clock, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        ProbeRun run = await scheduler.ProbeAsync(schedule, password, s_limit, cancellationToken)
            .ConfigureAwait(false);
        return Judge(schedule, run, clock.GetElapsedTime(start));
    }

    /// <summary>The checks of a run; pure.</summary>
    internal static IReadOnlyList<CheckResult> Judge(ScheduleDefinition schedule, ProbeRun run, TimeSpan duration)
    {
        var account = new CheckResult
        {
            Name = "ScheduledAccount",
            Result = CheckOutcome.NotEvidenced,
            Target = schedule.ScheduleId,
            Expected = schedule.Account,
            Duration = duration,
        };
        if (run.ExitCode is not long code) return [account with { Detail = run.Output }];
        if (Read(run.Output) is not Report report)
            return [account with
            {
                Result = CheckOutcome.Failed,
                Actual = string.Format(CultureInfo.InvariantCulture, "exit code {0}", code),
                Detail = "It was started and told nothing: the account may not read the module, or scripts are not "
                    + $"allowed. It wrote: {Shorten(run.Output)}",
            }];
        CheckResult connections = account with
        {
            Name = "ScheduledConnections",
            Expected = null,
            Actual = report.Connected.Count == 0 ? "none" : string.Join(", ", report.Connected),
            Result = report.Error is null && report.NotConnected.Count == 0 ? CheckOutcome.Passed : CheckOutcome.Failed,
            Detail = report.Error ?? (report.NotConnected.Count == 0 ? null : string.Join(" ", report.Warnings)),
        };
        bool hasAppliances = report.Appliances > 0 && report.Missing.Count == 0;
        return
        [
            account with { Result = CheckOutcome.Passed, Actual = report.Account },
            connections,
            account with
            {
                Name = "ScheduledAppliances",
                Expected = report.Missing.Count == 0 ? "at least one" : "every one that is named",
                Actual = report.Appliances.ToString(CultureInfo.InvariantCulture),
                Result = hasAppliances ? CheckOutcome.Passed
                    : report.Error is null ? CheckOutcome.Failed : CheckOutcome.NotEvidenced,
                Detail = hasAppliances ? null
                    : report.Appliances == 0 ? "No enrolled appliance was found: nothing would be backed up."
                    : $"No enrolled appliance {(report.NotConnected.Count > 0 ? "that can be found now " : "")}is "
                        + $"called {string.Join(", ", report.Missing.Select(m => $"'{m}'"))}: nothing would be "
                        + "backed up of it, and each run would end with 1."
                        + (report.NotConnected.Count > 0 ? " It may be enrolled where nothing answers." : ""),
            },
        ];
    }

    private static string Shorten(string text) =>
        text.Trim() is { Length: > ShownOutput } whole ? whole.Substring(0, ShownOutput) + "…" : text.Trim();

    private static Report? Read(string output)
    {
        string? line = output.Split('\n').Select(l => l.Trim())
            .LastOrDefault(l => l.StartsWith(Mark, StringComparison.Ordinal));
        if (line is null) return null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(line.Substring(Mark.Length));
            JsonElement root = document.RootElement;
            return new Report(root.GetProperty("account").GetString() ?? "", Texts(root, "connected"),
                Texts(root, "notConnected"), Texts(root, "warnings"), root.GetProperty("appliances").GetInt32(),
                Texts(root, "missing"), root.GetProperty("error").GetString());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException
            or FormatException)
        {
            return null;
        }
    }

    private static IReadOnlyList<string> Texts(JsonElement root, string name) =>
        [.. root.GetProperty(name).EnumerateArray().Select(e => e.GetString() ?? "")];

    private sealed record Report(string Account, IReadOnlyList<string> Connected, IReadOnlyList<string> NotConnected,
        IReadOnlyList<string> Warnings, int Appliances, IReadOnlyList<string> Missing, string? Error);
}
