using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Evidence;

/// <summary>
/// Writes what a command did in a hypervisor's own storage into the repository that keeps evidence for it. What takes
/// protection away is not begun when no evidence could be kept; a backup is never refused for its evidence's sake, nor
/// is protection. What was done and could not be recorded is an error.
/// </summary>
/// <param name="registry">The runspace's connections.</param>
/// <param name="warn">Takes a warning.</param>
/// <param name="fail">Takes the error that something was done and not recorded.</param>
internal sealed class EvidenceBook(SessionRegistry registry, Action<string> warn, Action<Exception, object?> fail)
{
    /// <summary>
    /// What was done must be recorded although the user stopped the command meanwhile; but not for ever.
    /// </summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    private readonly object _gate = new();
    private readonly HashSet<RepositoryConnection> _warned = [];

    /// <summary>
    /// The repository that keeps the evidence of a storage; null when it has none, or is no storage of a hypervisor.
    /// </summary>
    /// <exception cref="NataliaException"><c>EvidenceUnavailable</c>: it has one, which is not connected any
    /// more. <c>RepositoryAmbiguous</c>: copies of it are, and none under its name.</exception>
    internal static RepositoryConnection? Find(SessionRegistry registry, RepositoryConnection repository)
    {
        if (repository.Evidence is not EvidenceReference evidence) return null;
        return registry.Find(evidence)
            ?? throw new NataliaException(ErrorIds.EvidenceUnavailable, NataliaErrorKind.ResourceUnavailable,
            $"The evidence of the repository '{repository.Name}' is kept in '{evidence.Name}', which is not connected.",
            evidence.Name, "Connect it with Connect-NataliaRepository.");
    }

    /// <summary>
    /// The repository in whose log the audit records of a repository stand: itself, or the one that keeps its evidence.
    /// </summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>: none does. <c>EvidenceUnavailable</c>.</exception>
    internal static RepositoryConnection LogOf(SessionRegistry registry, RepositoryConnection repository)
    {
        if (repository.Native is not INativeRepository native) return repository;
        return Find(registry, repository)
            ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{repository.Name}' is the storage '{native.Storage}' of a {native.Kind} hypervisor, "
                + "which keeps no audit log.",
                repository.Name,
            "Connect it with -EvidenceRepository: then what this product does there is recorded in that repository.");
    }

    /// <summary>
    /// A repository through which everything that is done to its points is recorded: in its own log, or in that of the
    /// repository that keeps its evidence.
    /// </summary>
    internal IPointRepository Over(RepositoryConnection repository) =>
        repository.Native is INativeRepository native
            ? new EvidencedRepository(native, repository, this)
            : repository.Repository;

    /// <summary>Without an evidence repository, says once that something is recorded nowhere.</summary>
    internal void WarnIfNone(RepositoryConnection repository, string what)
    {
        if (repository.Native is not INativeRepository native || repository.Evidence is not null) return;
        lock (_gate)
        {
            if (!_warned.Add(repository)) return;
        }
        warn($"The storage '{native.Storage}' has no place for {what}: it is recorded nowhere. "
            + $"Connect-NataliaRepository -ProxmoxStorage {native.Storage} -EvidenceRepository keeps it in a "
            + "repository of this product.");
    }

    /// <summary>
    /// Before something that takes protection away: makes sure that it can be recorded. Without an evidence repository,
    /// says once that it is not.
    /// </summary>
    /// <exception cref="NataliaException"><c>EvidenceUnavailable</c>: nothing was changed.</exception>
    internal async Task RequireAsync(RepositoryConnection repository, string what, CancellationToken cancellationToken)
    {
        WarnIfNone(repository, what);
        if (repository.Evidence is null) return;
        try
        {
            await Find(registry, repository)!.Repository.EnsureRecordableAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            throw e is NataliaException { ErrorId: ErrorIds.EvidenceUnavailable or ErrorIds.RepositoryAmbiguous }
                ? e
                : new NataliaException(ErrorIds.EvidenceUnavailable, NataliaErrorKind.ResourceUnavailable,
                $"The evidence of the repository '{repository.Name}' cannot be kept in '{repository.Evidence.Name}' "
                + $"now, so nothing was changed: {e.Message}",
                repository.Evidence.Name, "Make the evidence repository reachable, and try again.", e);
        }
    }

    /// <summary>Records what was done to a restore point.</summary>
    internal Task RecordAsync(RepositoryConnection repository, NativeEvent what, RestorePoint point, string? reason,
        IReadOnlyList<KeyValuePair<string, string?>>? details = null) =>
        RecordAsync(repository, what, point.ApplianceId, point.ApplianceName, reason, details, point);

    /// <summary>Records what was asked for, and may have been done although it failed.</summary>
    internal Task RecordOpenAsync(RepositoryConnection repository, NativeEvent asked, RestorePoint point,
        string? reason, NataliaException open) =>
        RecordAsync(repository, NativeEvent.PointOutcomeUnknown, point, reason,
            [new("asked", AuditWords.Of(asked)), new("failure", open.Message)]);

    /// <summary>Records what was done for an appliance.</summary>
    internal async Task RecordAsync(RepositoryConnection repository, NativeEvent what, string applianceId,
        string applianceName, string? reason, IReadOnlyList<KeyValuePair<string, string?>>? details = null,
        RestorePoint? point = null)
    {
        if (repository.Native is not INativeRepository native || repository.Evidence is null) return;
        try
        {
            using var limit = new CancellationTokenSource(s_limit);
            await Find(registry, repository)!.Repository.RecordNativeAsync(new NativeRecord
            {
                Event = what,
                ApplianceId = applianceId,
                ApplianceName = applianceName,
                RepositoryId = native.RepositoryId,
                RepositoryKind = native.Kind,
                Location = native.Location,
                RestorePointId = point?.RestorePointId,
                NativeId = point?.NativeId,
                PointTimeUtc = point?.TimeUtc,
                Reason = reason,
                Details = details ?? [],
            }, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            fail(new NataliaException(ErrorIds.EvidenceNotRecorded, NataliaErrorKind.WriteFailed,
                $"'{applianceName}' in the repository '{repository.Name}': it was done, but its evidence "
                + $"({AuditWords.Of(what)}) could not be kept in '{repository.Evidence.Name}': {e.Message}",
                applianceName,
                "The work itself is complete and need not be repeated. Make the evidence repository reachable.", e),
                point ?? (object)applianceName);
        }
    }

    /// <summary>
    /// Records a restore: in the repository's own log, or in that of the one that keeps its evidence.
    /// </summary>
    internal async Task RecordRestoreAsync(RepositoryConnection repository, RestorePoint point,
        IReadOnlyList<KeyValuePair<string, string?>> details)
    {
        if (repository.Native is not null)
        {
            await RecordAsync(repository, NativeEvent.PointRestored, point, null, details).ConfigureAwait(false);
            return;
        }
        try
        {
            using var limit = new CancellationTokenSource(s_limit);
            await repository.Repository.RecordRestoreAsync(point, details, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            fail(new NataliaException(ErrorIds.EvidenceNotRecorded, NataliaErrorKind.WriteFailed,
                $"{point}: it was restored, but that could not be recorded in '{repository.Name}': {e.Message}",
                point.RestorePointId,
                "The work itself is complete and need not be repeated. Make the repository writable.", e),
                point);
        }
    }

    /// <summary>A number or a time as text; null stays null.</summary>
    internal static string? Text(IFormattable? value, string? format = null) =>
        value?.ToString(format, CultureInfo.InvariantCulture);
}
