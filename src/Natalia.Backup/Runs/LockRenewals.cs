using System.Globalization;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Sessions;
using Natalia.Backup.Text;

namespace Natalia.Backup.Runs;

/// <summary>Extends the locks of kept points, and says what came of it.</summary>
internal static class LockRenewals
{
    /// <summary>Whether the locks of a repository's points are extended as long as they are kept.</summary>
    internal static bool Concerns(RepositoryConnection repository) => repository.Native is null && repository.Repository.Immutability?.WhileKept == true;

    /// <summary>What was done, for -Verbose; null when nothing had to be.</summary>
    internal static string? Describe(string appliance, RepositoryConnection repository, LockRenewal renewal) => renewal.ExtendedObjects == 0 ? null
        : string.Format(CultureInfo.InvariantCulture, "'{0}' in repository '{1}': {2} locks ({3}) of {4} kept points were extended until {5:yyyy-MM-dd HH:mm} UTC{6}. The next extension is due from {7:yyyy-MM-dd HH:mm} UTC on.",
            appliance, repository.Name, renewal.ExtendedObjects, ByteSize.Format(renewal.ExtendedBytes), renewal.KeptPoints, renewal.LockedUntilUtc, renewal.Requests is long requests ? $", with {requests.ToString(CultureInfo.InvariantCulture)} requests" : "", renewal.NextRenewalUtc);
}
