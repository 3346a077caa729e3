using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Connections;

/// <summary>A connected repository with the session that describes it and what a profile needs to connect again: one of this product, or a storage of a hypervisor that protects by itself.</summary>
internal sealed class RepositoryConnection : IConnection
{
    private readonly Repository? _repository;

    internal RepositoryConnection(RepositorySession session, Repository repository, RepositorySettings settings)
    {
        (Session, _repository, Settings) = (session, repository, settings);
    }

    internal RepositoryConnection(RepositorySession session, INativeRepository native, HypervisorConnection hypervisor, RepositorySettings settings, EvidenceReference? evidence = null)
    {
        (Session, Native, Hypervisor, Settings, Evidence) = (session, native, hypervisor, settings, evidence);
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

    /// <summary>Where the evidence of a hypervisor's storage is kept; null when nowhere, and for a repository of this product, which keeps its own.</summary>
    internal EvidenceReference? Evidence { get; }

    /// <summary>The repository of this product.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>: it is a hypervisor's storage, which cannot do what is asked.</exception>
    internal Repository Repository => _repository ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
        $"The repository '{Name}' is the storage '{Native!.Storage}' of a {Native.Kind} hypervisor, which does not offer this.", Name, "Use what the hypervisor itself offers for it, or a repository of this product: New-NataliaRepository makes one.");

    /// <summary>What to tell of its key slots when it was opened; null when there is nothing.</summary>
    internal string? KeySlotWarning
    {
        get
        {
            if (_repository is not { } opened || (opened.UnusableKeySlots.Count == 0 && opened.UntriedKeySlots == 0)) return null;
            string unusable = opened.UnusableKeySlots.Count == 0 ? "" : $" {opened.UnusableKeySlots.Count} cannot be used, among them {opened.UnusableKeySlots[0]}";
            string untried = opened.UntriedKeySlots == 0 ? "" : $" {opened.UntriedKeySlots} were not tried, because there are far more than anybody needs.";
            return $"The repository '{Name}' has key slots that are not as they should be. Yours is.{unusable}{untried} Get-NataliaRepositoryKey lists them; Remove-NataliaRepositoryKey removes what nobody knows.";
        }
    }

    internal RepositorySettings Settings { get; }

    /// <summary>Where its retention policies are kept.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>.</exception>
    internal IRetentionStore Retention => Native as IRetentionStore ?? Repository;

    public string Name => Session.Name;

    public string? Identity => Session.RepositoryId;

    public bool IsLimited => !Session.IsUnlocked;

    /// <summary>The restore points.</summary>
    internal Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter, Action<NataliaException> onDamage, CancellationToken cancellationToken) =>
        GetRestorePointsAsync(filter, onDamage, null, cancellationToken);

    /// <summary>The restore points; what should be there and is not is told.</summary>
    internal Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter, Action<NataliaException> onDamage, Action<MissingPoints>? onMissing, CancellationToken cancellationToken) =>
        Native is not null ? Native.GetRestorePointsAsync(filter, onDamage, cancellationToken) : Repository.GetRestorePointsAsync(filter, onDamage, onMissing, cancellationToken);

    /// <summary>The settings of enrolled appliances.</summary>
    /// <param name="appliances">Of a hypervisor's storage: the VMs to look at, where they were described already; null looks at all.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(IReadOnlyList<ApplianceDescription>? appliances, CancellationToken cancellationToken) =>
        Native is null ? await Repository.GetApplianceSettingsAsync(cancellationToken).ConfigureAwait(false)
        : Native is INativeEnrolments enrolments ? await enrolments.GetApplianceSettingsAsync(appliances, cancellationToken).ConfigureAwait(false)
        : [];

    public void Dispose() => _repository?.Dispose();
}
