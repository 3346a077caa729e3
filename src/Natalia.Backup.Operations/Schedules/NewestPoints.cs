using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules;

/// <summary>
/// Finds runs that never were: such a run leaves no error behind, and only the age of the newest point tells.
/// </summary>
/// <param name="registry">The runspace's connections.</param>
/// <param name="directory">Who is enrolled.</param>
/// <param name="clock">The time.</param>
internal sealed class NewestPoints(SessionRegistry registry, ApplianceDirectory directory, TimeProvider clock)
{
    /// <summary>
    /// The schedule with the newest good point of the appliance that is worst off, as far as the repositories of its
    /// profile are connected; else as it was, with a warning.
    /// </summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="definition">What its runs do.</param>
    /// <param name="fits">Whether a name or wildcard of it means a name.</param>
    internal async Task<BackupSchedule> AddAsync(BackupSchedule schedule, ScheduleDefinition definition,
        Func<string, string, bool> fits, CancellationToken cancellationToken)
    {
        var warnings = new List<string>(schedule.Warnings);
        DateTime? worst = null;
        bool isKnown = false, isMissing = false;
        try
        {
            ProfileDocument profile = ProfileFile.Read(definition.ProfilePath);
            List<RepositoryConnection> connected = [.. registry.Repositories.All.Where(r => !r.IsLimited
                && profile.Repositories.Any(p => string.Equals(p.Name, r.Name, StringComparison.OrdinalIgnoreCase)
                    && p.LeadsTo(r.Settings)))];
            IReadOnlyList<Enrolment> enrolments = connected.Count == 0
                ? []
                : await directory.ListEnrolmentsAsync(connected, cancellationToken).ConfigureAwait(false);
            foreach (Enrolment enrolment in enrolments.Where(e => definition.Appliances.Count == 0
                || definition.Appliances.Any(a => a == e.Settings.ApplianceId
                    || a == e.Settings.SuccessorId || fits(a, e.Settings.Name))))
            {
                isKnown = true;
                IReadOnlyList<RestorePoint> points = await enrolment.Repository.Points.GetRestorePointsAsync(
                    new RestorePointFilter { ApplianceId = enrolment.Settings.ApplianceId }, _ => { }, null,
                    cancellationToken).ConfigureAwait(false);
                DateTime? newest = points.Where(p => p.IsReadable && p.IsFinished && !p.IsInFuture && !p.IsRenamed
                        && p.Verification != VerificationState.Failed)
                    .Select(p => (DateTime?)p.TimeUtc).OrderByDescending(t => t).FirstOrDefault();
                if (newest is null)
                {
                    isMissing = true;
                    warnings.Add($"'{enrolment.Settings.Name}' has no good restore point in "
                        + $"'{enrolment.Repository.Name}'.");
                }
                if (worst is null || newest < worst) worst = newest;
            }
        }
        catch (NataliaException e)
        {
            warnings.Add($"How old the newest restore point is, is not known: {e.Message}");
            return schedule with { Warnings = [.. warnings] };
        }
        DateTime now = clock.GetUtcNow().UtcDateTime;
        if (isMissing) worst = null;
        if (isKnown && !isMissing && ScheduleTimes.IsOverdue(definition.Kind, worst, now))
            warnings.Add("The newest restore point is older than it should be: runs failed, or never started.");
        return schedule with
        {
            NewestPointUtc = worst,
            IsOverdue = isKnown ? isMissing || ScheduleTimes.IsOverdue(definition.Kind, worst, now) : null,
            Warnings = [.. warnings],
        };
    }
}
