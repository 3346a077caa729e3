using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Backup;

/// <summary>Extends the locks of kept points, and says what came of it.</summary>
internal static class LockRenewals
{
    /// <summary>Whether the locks of a repository's points are extended as long as they are kept.</summary>
    internal static bool Concerns(RepositoryConnection repository) => repository.Immutability?.WhileKept == true;

    /// <summary>
    /// Extends what has to be. New points are made even when the locks of earlier ones cannot be extended: that is a
    /// warning, and the next run tries again.
    /// </summary>
    /// <param name="repository">The repository.</param>
    /// <param name="applianceId">Whose points.</param>
    /// <param name="appliance">What to call it.</param>
    /// <param name="tell">For what -Verbose shows.</param>
    /// <param name="warn">For warnings.</param>
    internal static async Task<LockRenewal?> RunAsync(RepositoryConnection repository, string applianceId,
        string appliance, Action<string> tell, Action<string> warn, CancellationToken cancellationToken)
    {
        if (!Concerns(repository)) return null;
        try
        {
            if (await repository.Repository.RenewLocksAsync(applianceId, look: false,
                cancellationToken).ConfigureAwait(false) is not LockRenewal renewal)
                return null;
            if (Describe(appliance, repository, renewal) is string text) tell(text);
            foreach (string failure in renewal.Failures) warn(failure);
            return renewal;
        }
        catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
        {
            warn($"{appliance}: the locks of the points that are kept in repository '{repository.Name}' could not be "
                + $"extended: {e.Message} The next run tries again.");
            return null;
        }
    }

    /// <summary>What was done, for -Verbose; null when nothing had to be.</summary>
    internal static string? Describe(string appliance, RepositoryConnection repository, LockRenewal renewal) =>
        renewal.ExtendedObjects == 0 ? null
        : string.Format(CultureInfo.InvariantCulture,
            "'{0}' in repository '{1}': {2} locks ({3}) of {4} kept points were extended until {5:yyyy-MM-dd HH:mm} "
            + "UTC{6}. The next extension is due from {7:yyyy-MM-dd HH:mm} UTC on.",
            appliance, repository.Name, renewal.ExtendedObjects, ByteSize.Format(renewal.ExtendedBytes),
            renewal.KeptPoints, renewal.LockedUntilUtc,
            renewal.Requests is long requests
                ? $", with {requests.ToString(CultureInfo.InvariantCulture)} requests"
                : "",
            renewal.NextRenewalUtc);
}
