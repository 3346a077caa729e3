using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>
/// Enrolments in a hypervisor's storage that ended after what still tells of them: a VM whose node is down is known
/// from its newest restore point alone, which was made while it was enrolled.
/// </summary>
internal static class EndedEnrolments
{
    private const string Set = "native-appliance-set", Ended = "native-enrolment-ended";

    // The point's time is the cluster's, that of the record this machine's: so far apart they may be.
    private static readonly TimeSpan s_clocks = TimeSpan.FromMinutes(15);

    /// <summary>
    /// The settings without those whose end the evidence repository has recorded since. Where there is none, or it does
    /// not answer, what the point says counts: too much is listed then, never too little.
    /// </summary>
    /// <param name="log">The repository that keeps the evidence; null where there is none.</param>
    /// <param name="repositoryId">The storage's id as a repository.</param>
    /// <param name="settings">What the storage's hypervisor told.</param>
    internal static async Task<IReadOnlyList<ApplianceSettings>> LeaveOutAsync(RepositoryConnection? log,
        string repositoryId, IReadOnlyList<ApplianceSettings> settings, CancellationToken cancellationToken)
    {
        List<string> doubtful = [.. settings.Where(s => s.AsOfUtc is not null).Select(s => s.ApplianceId)];
        if (doubtful.Count == 0 || log is not { IsOwn: true }) return settings;
        IReadOnlyList<AuditRecord> records;
        try
        {
            records = await log.Repository.GetAuditRecordsAsync(new AuditRecordFilter
            {
                ApplianceIds = doubtful,
                Events = [Set, Ended],
            }, _ => { }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException) when (!cancellationToken.IsCancellationRequested)
        {
            return settings;
        }
        return [.. settings.Where(s => s.AsOfUtc is not DateTime then
            || records.FirstOrDefault(r => r.ApplianceId == s.ApplianceId && r.NativeRepositoryId == repositoryId)
                is not { Event: Ended } end || end.TimeUtc + s_clocks <= then)];
    }
}
