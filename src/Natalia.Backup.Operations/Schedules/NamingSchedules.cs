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
    /// <returns>The schedules' ids; null where this user cannot see them.</returns>
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
        catch (NataliaException e) when (e.ErrorId == ErrorIds.PermissionDenied)
        {
            return null;
        }
    }

    /// <summary>Those of the schedules that name one of the names word for word; wildcards name nobody.</summary>
    internal static IReadOnlyList<string> Of(IEnumerable<ScheduleDefinition> schedules,
        IReadOnlyCollection<string> names) =>
        [.. schedules.Where(s => s.Appliances.Any(a => names.Contains(a, StringComparer.OrdinalIgnoreCase)))
            .Select(s => s.ScheduleId)];
}
