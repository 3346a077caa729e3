using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Backup;

/// <summary>What a run finds when it begins.</summary>
/// <param name="History">What earlier runs left.</param>
/// <param name="Parents">What it compares with.</param>
internal sealed record RunStart(History History, RunParents Parents)
{
    /// <summary>Reads it, with the lease held.</summary>
    internal static async Task<RunStart> ReadAsync(RepositoryCore core, ManifestReader manifests, string applianceId,
        IReadOnlyCollection<string> diskIds, Lease lease, CancellationToken cancellationToken)
    {
        var history = new History(core, manifests, applianceId);
        await history.ReadAsync(lease, cancellationToken).ConfigureAwait(false);
        var parents = new RunParents(core, manifests, history, applianceId, diskIds);
        await parents.FindAsync(ignore: null, cancellationToken).ConfigureAwait(false);
        return new RunStart(history, parents);
    }
}
