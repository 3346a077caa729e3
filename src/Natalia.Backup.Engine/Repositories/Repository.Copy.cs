using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Copy;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    internal RepositoryCore Core => _core;

    internal ManifestReader Manifests => _manifests;

    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>ManifestDamaged</c>,
    /// <c>PasswordRequired</c>.</exception>
    internal Task<PointFinder.Found> FindPointAsync(string applianceId, string restorePointId,
        CancellationToken cancellationToken) =>
        _finder.FindAsync(applianceId, restorePointId, cancellationToken);

    /// <summary>
    /// Makes a copy of another repository's point here, under a lease that is held already, or under its own.
    /// </summary>
    internal async Task<CopyRunResult> RunCopyAsync(CopiedPoint point, IReadOnlyList<CopiedDisk> disks, Lease? held,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        EnsureCanLock();
        var source = new CopyRun(point, disks);
        var run = new BackupRun(_core, _manifests, source, progress);
        PointManifest made = held is null
            ? await run.ExecuteAsync(cancellationToken).ConfigureAwait(false)
            : await run.ExecuteAsync(held, cancellationToken).ConfigureAwait(false);
        return new CopyRunResult(made, source.WasAlreadyThere, run.IgnoredParentReason);
    }
}
