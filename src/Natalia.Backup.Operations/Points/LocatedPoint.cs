using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Points;

/// <summary>A restore point and the connection through which it was found.</summary>
/// <param name="repository">The connection.</param>
/// <param name="point">The point.</param>
/// <param name="opened">The point as it was opened when it was looked for; null when it was only listed.</param>
internal sealed class LocatedPoint(RepositoryConnection repository, RestorePoint point, OpenPoint? opened = null)
{
    private OpenPoint? _opened = opened;

    internal RepositoryConnection Repository => repository;

    internal RestorePoint Point => point;

    /// <summary>Opens the point, once for all that a command does with it. One command at a time.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c> for a point of a hypervisor's storage, and what opening throws.</exception>
    internal async Task<OpenPoint> OpenAsync(CancellationToken cancellationToken) =>
        _opened ??= await repository.Repository.OpenPointAsync(point, cancellationToken).ConfigureAwait(false);

    /// <summary>Reads all that the point needs. A manifest that cannot be read is a Failed result.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>RestorePointNotFound</c>, a store error.</exception>
    internal Task<CheckResult> VerifyAsync(IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        _opened is OpenPoint known ? known.VerifyAsync(progress, cancellationToken) : repository.Repository.VerifyRestorePointAsync(point, progress, cancellationToken);
}
