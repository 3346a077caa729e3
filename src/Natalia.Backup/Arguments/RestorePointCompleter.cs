using System.Globalization;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the ids of restore points that an earlier command has shown, newest first.</summary>
public sealed class RestorePointCompleter : CacheCompleter
{
    private protected override IEnumerable<Candidate> GetCandidates(SessionRegistry registry) =>
        registry.Completion.RestorePoints.Select(p =>
        new Candidate(p.RestorePointId,
            string.Format(CultureInfo.InvariantCulture, "{0}, {1:yyyy-MM-dd HH:mm} UTC, {2}", p.ApplianceName,
                p.TimeUtc, p.Type)));
}
