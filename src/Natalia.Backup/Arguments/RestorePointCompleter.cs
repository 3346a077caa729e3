using System.Globalization;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Completes the ids of restore points that an earlier command has shown, newest first; of the appliance and the
/// repository that the line names.
/// </summary>
public sealed class RestorePointCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Completion.RestorePoints
            .Where(p => Line.MayMeanAppliance(p.ApplianceName, p.ApplianceId)
                && Line.MayMeanRepository(p.Repository, p.RepositoryId))
            .Select(p =>
        new Candidate(p.RestorePointId,
            string.Format(CultureInfo.InvariantCulture, "{0}, {1:yyyy-MM-dd HH:mm} UTC, {2}", p.ApplianceName,
                p.TimeUtc, p.Type)));
}
