using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
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
    /// <exception cref="NataliaException"><c>CapabilityMissing</c> for a point of a hypervisor's storage, and what
    /// opening throws.</exception>
    internal async Task<OpenPoint> OpenAsync(CancellationToken cancellationToken) =>
        _opened ??= await repository.Repository.OpenPointAsync(point, cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// Proves the point as far as that can be done from here. A point that cannot be read is a Failed result.
    /// </summary>
    /// <param name="through">The repository, through which what is found out is recorded.</param>
    /// <param name="maximumAge">Where the storage verifies by itself: how old that may be before it is a
    /// warning.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, a store error.</exception>
    internal async Task<IReadOnlyList<CheckResult>> VerifyAsync(IPointRepository through, TimeSpan maximumAge,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        _opened is OpenPoint known ? [await known.VerifyAsync(progress, cancellationToken).ConfigureAwait(false)]
            : await through.VerifyAsync(point, maximumAge, progress, cancellationToken).ConfigureAwait(false);

    /// <summary>The attachments kept with the point; none where a hypervisor's storage keeps them with the
    /// VM.</summary>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, a store error.</exception>
    internal async Task<IReadOnlyList<ApplianceAttachment>> GetAttachmentsAsync(CancellationToken cancellationToken) =>
        repository.IsOwn && point.Attachments.Count > 0
            ? await (await OpenAsync(cancellationToken).ConfigureAwait(false))
                .GetAttachmentsAsync(cancellationToken).ConfigureAwait(false)
            : [];

    /// <summary>The VM configuration kept with the point.</summary>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>ConfigurationNotStored</c>, a store
    /// error.</exception>
    internal Task<ApplianceDescription> GetConfigurationAsync(CancellationToken cancellationToken) =>
        _opened is OpenPoint known
            ? known.GetConfigurationAsync(cancellationToken)
            : repository.Points.GetConfigurationAsync(point, cancellationToken);
}
