using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.BusinessDays;
using Natalia.Backup.Operations.Guests;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// The count of call records that is kept with a point, for a restore test to compare with: given by the user, or
/// counted in the guest where a counting command is set and there is a way in. No backup fails for want of it.
/// </summary>
internal static class CdrBaselines
{
    /// <summary>A guest that runs answers at once; what does not must not hold a backup up.</summary>
    private static readonly TimeSpan s_openLimit = TimeSpan.FromMinutes(1);

    /// <summary>Gives the baseline from the time of the point's state, UTC.</summary>
    internal delegate CdrBaseline? At(DateTime pointTimeUtc);

    /// <summary>Finds out what will be kept.</summary>
    /// <param name="run">The backup.</param>
    /// <param name="clock">Tells which business day is over.</param>
    /// <param name="warn">Told why there will be no baseline, where one was to be counted.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal static async Task<At?> TakeAsync(PlannedRun run, TimeProvider clock, Action<string> warn,
        CancellationToken cancellationToken)
    {
        if (run.GivenCdrBaseline is long given)
            return time => Create(run.Calendar, given, run.Calendar.PreviousBusinessDay(time), isCounted: false);
        if (run.RestoreTest?.CdrCountCommand is not { } command) return null;
        ApplianceDescription vm = run.Located.Description;
        if (run.Located.Hypervisor.Hypervisor.Find<IGuestChannel>() is not IGuestChannel channel
            || vm.NativeId is not string id)
            return null;
        DateTime day = run.Calendar.PreviousBusinessDay(clock.UtcNow());
        try
        {
            CdrCounter.Answer answer = await CountAsync(channel, id, run, command, day,
                cancellationToken).ConfigureAwait(false);
            if (answer.Count is not long count)
            {
                warn(Missing(run, answer.Text));
                return null;
            }
            return time =>
            {
                if (run.Calendar.PreviousBusinessDay(time) == day)
                    return Create(run.Calendar, count, day, isCounted: true);
                warn(Missing(run, "a new business day began between the count and the point."));
                return null;
            };
        }
        catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
        {
            warn(Missing(run, e.Message));
            return null;
        }
    }

    private static async Task<CdrCounter.Answer> CountAsync(IGuestChannel channel, string id, PlannedRun run,
        IReadOnlyList<string> command, DateTime day, CancellationToken cancellationToken)
    {
        IGuest guest = await channel.OpenAsync(id, null, s_openLimit, cancellationToken).ConfigureAwait(false);
        await using (guest.ConfigureAwait(false))
        {
            TimeSpan limit = TimeSpan.FromMinutes(run.RestoreTest?.CommandTimeoutMinutes ?? 10);
            return await CdrCounter.CountAsync(guest, command, BusinessCalendar.Text(day), run.Calendar.TimeZoneId,
                limit, cancellationToken).ConfigureAwait(false);
        }
    }

    private static CdrBaseline Create(BusinessCalendar calendar, long count, DateTime day, bool isCounted) => new()
    {
        Count = count,
        BusinessDay = BusinessCalendar.Text(day),
        TimeZone = calendar.TimeZoneId,
        IsCounted = isCounted,
    };

    private static string Missing(PlannedRun run, string why) =>
        string.Format(CultureInfo.InvariantCulture,
            "{0}: the point has no count of call records, so that its restore test will have nothing to compare with: "
            + "{1}", run.Target.Name, why);
}
