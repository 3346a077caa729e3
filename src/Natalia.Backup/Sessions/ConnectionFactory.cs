using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Hypervisors;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Sessions;

/// <summary>Opens what settings describe. The cmdlets and the profile reader connect through the same door.</summary>
internal static class ConnectionFactory
{
    /// <summary>Connects to a hypervisor.</summary>
    /// <exception cref="NataliaException"><c>HypervisorNotFound</c>, what the hypervisor throws.</exception>
    internal static HypervisorConnection OpenHypervisor(HypervisorSettings settings)
    {
        IHypervisor hypervisor = FolderHypervisor.Open(settings.Path);
        var session = new HypervisorSession { Name = settings.Name, Kind = hypervisor.Kind, Location = hypervisor.Location, ConnectedUtc = DateTime.UtcNow };
        return new HypervisorConnection(session, hypervisor, settings);
    }

    /// <summary>Makes a repository.</summary>
    /// <exception cref="NataliaException">What the engine throws.</exception>
    internal static async Task<RepositoryConnection> CreateRepositoryAsync(RepositorySettings settings, RepositoryPassword? password, CancellationToken cancellationToken)
    {
        IObjectStore store = FolderStore.Open(settings.Path, create: true);
        return Describe(settings, await Repository.CreateAsync(store, password, new RepositoryOptions { Label = settings.Name }, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Opens a repository.</summary>
    /// <exception cref="NataliaException">What the engine throws; <c>PasswordRequired</c> where the user said that there is none.</exception>
    internal static async Task<RepositoryConnection> OpenRepositoryAsync(RepositorySettings settings, RepositoryPassword? password, CancellationToken cancellationToken)
    {
        IObjectStore store = FolderStore.Open(settings.Path, create: false);
        Repository repository = await Repository.OpenAsync(store, password, new RepositoryOptions { Label = settings.Name }, cancellationToken).ConfigureAwait(false);
        if (settings.Access != RepositoryAccess.Unencrypted || !repository.IsEncrypted) return Describe(settings, repository);
        repository.Dispose();
        throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.Authentication, $"The repository '{settings.Path}' is encrypted.", settings.Path,
            "Give its -Password, or -AuditOnly to check it without one.");
    }

    private static RepositoryConnection Describe(RepositorySettings settings, Repository repository)
    {
        var session = new RepositorySession
        {
            Name = settings.Name,
            RepositoryId = repository.RepositoryId,
            StoreKind = repository.StoreKind,
            Location = repository.Location,
            IsEncrypted = repository.IsEncrypted,
            IsUnlocked = repository.IsUnlocked,
            FormatVersion = repository.FormatVersion,
            CreatedUtc = repository.CreatedUtc,
            AuditKeyFingerprint = repository.AuditKeyFingerprint,
            ConnectedUtc = DateTime.UtcNow,
        };
        return new RepositoryConnection(session, repository, settings);
    }
}
