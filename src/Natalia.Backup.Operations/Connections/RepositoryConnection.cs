using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Operations.Connections;

/// <summary>
/// A connected repository with the session that describes it and what a profile needs to connect again: one of this
/// product, or a storage of a hypervisor that protects by itself.
/// </summary>
internal sealed class RepositoryConnection : IConnection
{
    private readonly Repository? _repository;

    internal RepositoryConnection(RepositorySession session, Repository repository,
        RepositoryConnectionSettings settings)
    {
        (Session, _repository, Settings) = (session, repository, settings);
    }

    internal RepositoryConnection(RepositorySession session, INativeRepository native, HypervisorConnection hypervisor,
        RepositoryConnectionSettings settings, EvidenceReference? evidence = null)
    {
        (Session, Native, Hypervisor, Settings, Evidence) = (session, native, hypervisor, settings, evidence);
    }

    internal RepositorySession Session { get; private set; }

    /// <summary>Lets the session tell what locks and retention policy come to.</summary>
    internal void Tell(LockEffect effect) => Session = Session with { LockEffect = effect };

    /// <summary>The hypervisor's own storage; null for a repository of this product.</summary>
    internal INativeRepository? Native { get; }

    /// <summary>The hypervisor whose storage it is; null for a repository of this product.</summary>
    internal HypervisorConnection? Hypervisor { get; }

    /// <summary>
    /// Where the evidence of a hypervisor's storage is kept; null when nowhere, and for a repository of this product,
    /// which keeps its own.
    /// </summary>
    internal EvidenceReference? Evidence { get; }

    /// <summary>The repository of this product.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>: it is a hypervisor's storage, which cannot do what
    /// is asked.</exception>
    internal Repository Repository =>
        _repository ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
        $"The repository '{Name}' is the storage '{Native!.Storage}' of a {Native.Kind} hypervisor, which does not "
        + "offer this.",
        Name, "Use what the hypervisor itself offers for it, or a repository of this product: New-NataliaRepository "
            + "makes one.");

    /// <summary>What to tell of its key slots when it was opened; null when there is nothing.</summary>
    internal string? KeySlotWarning
    {
        get
        {
            if (_repository is not { } opened || (opened.UnusableKeySlots.Count == 0 && opened.UntriedKeySlots == 0))
                return null;
            string unusable = opened.UnusableKeySlots.Count == 0
                ? ""
                : $" {opened.UnusableKeySlots.Count} cannot be used, among them {opened.UnusableKeySlots[0]}";
            string untried = opened.UntriedKeySlots == 0
                ? ""
                : $" {opened.UntriedKeySlots} were not tried, because there are far more than anybody needs.";
            return $"The repository '{Name}' has key slots that are not as they should be. Yours "
                + $"is.{unusable}{untried} Get-NataliaRepositoryKey lists them; Remove-NataliaRepositoryKey removes "
                + "what nobody knows.";
        }
    }

    internal RepositoryConnectionSettings Settings { get; }

    /// <summary>What can be done with its points, whoever made them.</summary>
    internal IPointRepository Points => (IPointRepository?)Native ?? Repository;

    /// <summary>
    /// Whether it keeps an audit log of its own, and its points as this product makes them: not a hypervisor's storage.
    /// </summary>
    internal bool IsOwn => Native is null;

    /// <summary>How its objects are locked; null when they are not, and for a hypervisor's storage.</summary>
    internal ImmutabilityPolicy? Immutability => _repository?.Immutability;

    /// <summary>
    /// Whether VMs of a hypervisor are backed up into it. One that protects by itself does so into its own storages
    /// only, and nobody else's VMs go there.
    /// </summary>
    internal bool Takes(HypervisorConnection hypervisor) =>
        hypervisor.Hypervisor.Find<INativeProtection>() is null ? Hypervisor is null : Hypervisor == hypervisor;

    public string Name => Session.Name;

    public string? Identity => Session.RepositoryId;

    public string Location =>
        Settings.Server is string server ? $"{Session.Location} on {server}" : Session.Location;

    public bool IsLimited => !Session.IsUnlocked;

    public void Dispose() => _repository?.Dispose();
}
