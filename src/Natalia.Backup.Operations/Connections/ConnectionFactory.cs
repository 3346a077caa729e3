using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Operations.Connections;

/// <summary>Opens what settings describe. The cmdlets and the profile reader connect through the same door.</summary>
internal static class ConnectionFactory
{
    /// <summary>Connects to a hypervisor.</summary>
    /// <param name="settings">Which, and where.</param>
    /// <param name="credential">Who connects; null where its kind needs nobody.</param>
    /// <exception cref="NataliaException">What the hypervisor throws.</exception>
    internal static async Task<HypervisorConnection> OpenHypervisorAsync(HypervisorSettings settings,
        UserCredential? credential, CancellationToken cancellationToken)
    {
        IHypervisor hypervisor = await settings.OpenAsync(credential, cancellationToken).ConfigureAwait(false);
        var session = new HypervisorSession
        {
            Name = settings.Name,
            Kind = hypervisor.Kind,
            Location = hypervisor.Location,
            ConnectedUtc = DateTime.UtcNow,
        };
        return new HypervisorConnection(session, hypervisor, settings);
    }

    /// <summary>Opens a hypervisor's own storage as a repository.</summary>
    /// <param name="settings">Which.</param>
    /// <param name="hypervisor">Whose storage it is.</param>
    /// <param name="evidence">The repository that keeps its evidence; null for none, or when the one that the settings
    /// name cannot be had now.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>PasswordRequired</c>, what the hypervisor
    /// throws.</exception>
    internal static async Task<RepositoryConnection> OpenNativeRepositoryAsync(HypervisorStorageSettings settings,
        HypervisorConnection hypervisor, RepositoryConnection? evidence, CancellationToken cancellationToken)
    {
        if (evidence is { Native: INativeRepository other })
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.InvalidArgument,
                $"The repository '{evidence.Name}' is the storage '{other.Storage}' of a {other.Kind} hypervisor, "
                + "which keeps no audit log, so it cannot keep evidence.",
                evidence.Name,
                "Name a repository of this product: one in a folder, on a share, or in a bucket.");
        // Opened without its password it could not sign what it should keep.
        if (evidence is not null)
            await evidence.Repository.EnsureRecordableAsync(cancellationToken).ConfigureAwait(false);
        INativeProtection protection = hypervisor.Hypervisor.Require<INativeProtection>("backup storages of its own");
        INativeRepository native = await protection.OpenRepositoryAsync(settings.Path, settings.Name,
            cancellationToken).ConfigureAwait(false);
        var session = new RepositorySession
        {
            Name = settings.Name,
            RepositoryId = native.RepositoryId,
            RepositoryKind = native.Kind,
            StoreKind = native.StorageKind,
            Location = native.Location,
            IsUnlocked = true,
            AuditKeyFingerprint = "",
            EvidenceRepository = evidence?.Name ?? settings.EvidenceRepository,
            ConnectedUtc = DateTime.UtcNow,
        };
        return new RepositoryConnection(session, native, hypervisor, settings,
            settings.EvidenceRepository is null
                ? null
                : new EvidenceReference(evidence?.Session.RepositoryId, evidence?.Name ?? settings.EvidenceRepository));
    }

    /// <summary>Makes a repository.</summary>
    /// <exception cref="NataliaException">What the engine throws.</exception>
    internal static async Task<RepositoryConnection> CreateRepositoryAsync(StoreSettings settings,
        RepositoryPassword? password, UserCredential? credential, ImmutabilityPolicy? immutability,
        RetentionPolicy? retention, CancellationToken cancellationToken)
    {
        var options = new RepositoryOptions
        {
            Label = settings.Name,
            Immutability = immutability,
            Retention = retention,
            StorageClass = settings.ClassOfPacks,
        };
        OpenedStore opened = await settings.OpenAsync(credential, isNew: true, cancellationToken).ConfigureAwait(false);
        return Describe(opened,
            await Repository.CreateAsync(opened.Store, password, options, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Opens a repository.</summary>
    /// <exception cref="NataliaException">What the engine throws; <c>PasswordRequired</c> where the user said that
    /// there is none.</exception>
    internal static async Task<RepositoryConnection> OpenRepositoryAsync(StoreSettings settings,
        RepositoryPassword? password, UserCredential? credential, CancellationToken cancellationToken)
    {
        OpenedStore opened = await settings.OpenAsync(credential, isNew: false,
            cancellationToken).ConfigureAwait(false);
        var options = new RepositoryOptions { Label = settings.Name, Settle = opened.Settle };
        Repository repository = await Repository.OpenAsync(opened.Store, password, options,
            cancellationToken).ConfigureAwait(false);
        if (settings.Access != RepositoryAccess.Unencrypted || !repository.IsEncrypted)
            return Describe(opened, repository);
        repository.Dispose();
        throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.Authentication,
            $"The repository '{settings.Location}' is encrypted.", settings.Location,
            "Give its -Password, or -AuditOnly to check it without one.");
    }

    /// <summary>Makes sure that an encrypted repository is there, before anybody is asked for its password.</summary>
    /// <exception cref="NataliaException">What opening throws; <c>PasswordNotExpected</c> where it is not
    /// encrypted.</exception>
    internal static async Task EnsureEncryptedAsync(StoreSettings settings, UserCredential? credential,
        CancellationToken cancellationToken)
    {
        OpenedStore opened = await settings.OpenAsync(credential, isNew: false,
            cancellationToken).ConfigureAwait(false);
        using Repository repository = await Repository.OpenAsync(opened.Store, null,
            new RepositoryOptions { Label = settings.Name }, cancellationToken).ConfigureAwait(false);
        if (!repository.IsEncrypted)
            throw new NataliaException(ErrorIds.PasswordNotExpected, NataliaErrorKind.InvalidArgument,
                $"The repository {settings.Location} is not encrypted and has no password.", settings.Location,
                "If you know it to be encrypted, somebody replaced it: do not write to it. Else use -Unencrypted.");
    }

    /// <summary>Tells how the natalia.json of a repository is.</summary>
    /// <exception cref="NataliaException">What the engine throws.</exception>
    internal static async Task<SettingsState> InspectSettingsAsync(StoreSettings settings, UserCredential? credential,
        CancellationToken cancellationToken)
    {
        using IObjectStore store = (await settings.OpenAsync(credential, isNew: false,
            cancellationToken).ConfigureAwait(false)).Store;
        return await Repository.InspectSettingsAsync(store, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a lost natalia.json again.</summary>
    /// <exception cref="NataliaException">What the engine throws.</exception>
    internal static async Task RebuildSettingsAsync(StoreSettings settings, RepositoryPassword? password,
        UserCredential? credential, CancellationToken cancellationToken)
    {
        using IObjectStore store = (await settings.OpenAsync(credential, isNew: false,
            cancellationToken).ConfigureAwait(false)).Store;
        await Repository.RebuildSettingsAsync(store, password, TimeProvider.System,
            cancellationToken).ConfigureAwait(false);
    }

    private static RepositoryConnection Describe(OpenedStore opened, Repository repository)
    {
        var session = new RepositorySession
        {
            Name = opened.Settings.Name,
            RepositoryId = repository.RepositoryId,
            StoreKind = repository.StoreKind,
            Location = repository.Location,
            IsEncrypted = repository.IsEncrypted,
            IsUnlocked = repository.IsUnlocked,
            FormatVersion = repository.FormatVersion,
            CreatedUtc = repository.CreatedUtc,
            AuditKeyFingerprint = repository.AuditKeyFingerprint,
            ImmutableDays = repository.ImmutableDays,
            ImmutableWhileKept = repository.Immutability?.WhileKept ?? false,
            ImmutabilityMode = repository.ImmutabilityMode,
            BucketRetentionDays = opened.RetentionDays,
            ConnectedUtc = DateTime.UtcNow,
        };
        return new RepositoryConnection(session, repository, opened.Settings);
    }
}
