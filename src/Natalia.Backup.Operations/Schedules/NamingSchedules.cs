using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules;

/// <summary>The schedules of this machine that name an appliance, and would miss it.</summary>
internal static class NamingSchedules
{
    /// <summary>
    /// Asks this machine; one that has no schedules names nothing. Those of other machines are known there alone.
    /// </summary>
    /// <param name="names">The appliance's names and ids.</param>
    /// <returns>The schedules' ids; null where they cannot be seen, by this user for instance.</returns>
    internal static async Task<IReadOnlyList<string>?> FindAsync(IReadOnlyCollection<string> names,
        CancellationToken cancellationToken)
    {
        try
        {
            return Of(from s in await Schedulers.ForThisMachine(null, TimeProvider.System)
                .ListAsync(cancellationToken).ConfigureAwait(false)
                      where s.Definition is not null
                      select s.Definition, names);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.SchedulerNotAvailable)
        {
            return [];
        }
        catch (NataliaException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>What to tell where schedules cannot be seen.</summary>
    /// <param name="name">The appliance as schedules may name it.</param>
    internal static string Unseen(string name) =>
        $"Whether schedules of this machine name '{name}' cannot be seen by this user. Get-NataliaSchedule, by one who "
        + "may, lists them.";

    /// <summary>Those of the schedules that name one of the names word for word; wildcards name nobody.</summary>
    internal static IReadOnlyList<string> Of(IEnumerable<ScheduleDefinition> schedules,
        IReadOnlyCollection<string> names) =>
        [.. schedules.Where(s => s.Appliances.Any(a => names.Contains(a, StringComparer.OrdinalIgnoreCase)))
            .Select(s => s.ScheduleId)];
}
