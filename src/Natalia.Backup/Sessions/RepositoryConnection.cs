using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Hypervisors;

namespace Natalia.Backup.Sessions;

/// <summary>A connected repository with the session that describes it and what a profile needs to connect again: one of this product, or a storage of a hypervisor that protects by itself.</summary>
internal sealed class RepositoryConnection : IConnection
{
    private readonly Repository? _repository;

    internal RepositoryConnection(RepositorySession session, Repository repository, RepositorySettings settings)
    {
        (Session, _repository, Settings) = (session, repository, settings);
    }

    internal RepositoryConnection(RepositorySession session, INativeRepository native, HypervisorConnection hypervisor, RepositorySettings settings)
    {
        (Session, Native, Hypervisor, Settings) = (session, native, hypervisor, settings);
    }

    internal RepositorySession Session { get; private set; }

    /// <summary>The same connection, whose session says more.</summary>
    internal RepositoryConnection With(RepositorySession session)
    {
        Session = session;
        return this;
    }

    /// <summary>The hypervisor's own storage; null for a repository of this product.</summary>
    internal INativeRepository? Native { get; }

    /// <summary>The hypervisor whose storage it is; null for a repository of this product.</summary>
    internal HypervisorConnection? Hypervisor { get; }

    /// <summary>The repository of this product.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>: it is a hypervisor's storage, which cannot do what is asked.</exception>
    internal Repository Repository => _repository ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
        $"The repository '{Name}' is the storage '{Native!.Storage}' of a {Native.Kind} hypervisor, which does not offer this.", Name, "The page docs/proxmox.md lists what such a storage can do.");

    internal RepositorySettings Settings { get; }

    /// <summary>Where its retention policies are kept.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>.</exception>
    internal IRetentionStore Retention => Native as IRetentionStore ?? Repository;

    public string Name => Session.Name;

    public string? Identity => Session.RepositoryId;

    public bool IsLimited => !Session.IsUnlocked;

    /// <summary>The restore points.</summary>
    internal Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter, Action<NataliaException> onDamage, CancellationToken cancellationToken) =>
        Native is not null ? Native.GetRestorePointsAsync(filter, cancellationToken) : Repository.GetRestorePointsAsync(filter, onDamage, cancellationToken);

    /// <summary>The settings of enrolled appliances; a hypervisor's storage keeps none.</summary>
    internal async Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(CancellationToken cancellationToken) =>
        Native is not null ? [] : await Repository.GetApplianceSettingsAsync(cancellationToken).ConfigureAwait(false);

    public void Dispose() => _repository?.Dispose();
}
