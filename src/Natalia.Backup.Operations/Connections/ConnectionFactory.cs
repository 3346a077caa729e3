using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Operations.Connections;

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

    /// <summary>Connects to a Proxmox VE cluster.</summary>
    /// <param name="settings">Where it is.</param>
    /// <param name="credential">Who connects; a user name with '!' is an API token's.</param>
    /// <param name="oneTimeCode">The code of a second factor, or null.</param>
    /// <param name="trace">Told a line per request, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException">What the hypervisor throws.</exception>
    internal static async Task<HypervisorConnection> OpenProxmoxAsync(HypervisorSettings settings, UserCredential credential, string? oneTimeCode, Action<string>? trace, CancellationToken cancellationToken)
    {
        ServerSettings server = settings.Server!;
        ProxmoxHypervisor hypervisor = await ProxmoxHypervisor.ConnectAsync(new ProxmoxConnectOptions
        {
            Hosts = server.Hosts,
            Port = server.Port,
            User = credential.UserName,
            Secret = credential.Password,
            OneTimeCode = oneTimeCode,
            CertificateThumbprints = server.Thumbprints,
            AuthorityFile = server.AuthorityFile,
            Trace = trace,
        }, cancellationToken).ConfigureAwait(false);
        var session = new HypervisorSession { Name = settings.Name, Kind = hypervisor.Kind, Location = hypervisor.Location, ConnectedUtc = DateTime.UtcNow };
        return new HypervisorConnection(session, hypervisor, settings);
    }

    /// <summary>Opens a hypervisor's own storage as a repository.</summary>
    /// <param name="settings">Which.</param>
    /// <param name="hypervisor">Whose storage it is.</param>
    /// <param name="evidence">The repository that keeps its evidence; null for none, or when the one that the settings name cannot be had now.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>PasswordRequired</c>, what the hypervisor throws.</exception>
    internal static async Task<RepositoryConnection> OpenNativeRepositoryAsync(RepositorySettings settings, HypervisorConnection hypervisor, RepositoryConnection? evidence, CancellationToken cancellationToken)
    {
        if (evidence is { Native: INativeRepository other })
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.InvalidArgument, $"The repository '{evidence.Name}' is the storage '{other.Storage}' of a {other.Kind} hypervisor, which keeps no audit log, so it cannot keep evidence.", evidence.Name,
                "Name a repository of this product: one in a folder, on a share, or in a bucket.");
        // Opened without its password it could not sign what it should keep.
        if (evidence is not null) await evidence.Repository.EnsureRecordableAsync(cancellationToken).ConfigureAwait(false);
        INativeProtection protection = hypervisor.Hypervisor.Require<INativeProtection>("backup storages of its own");
        INativeRepository native = await protection.OpenRepositoryAsync(settings.Path, settings.Name, cancellationToken).ConfigureAwait(false);
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
        return new RepositoryConnection(session, native, hypervisor, settings, settings.EvidenceRepository is null ? null : new EvidenceReference(evidence?.Session.RepositoryId, evidence?.Name ?? settings.EvidenceRepository));
    }

    /// <summary>Makes a repository.</summary>
    /// <exception cref="NataliaException">What the engine throws.</exception>
    internal static async Task<RepositoryConnection> CreateRepositoryAsync(RepositorySettings settings, RepositoryPassword? password, UserCredential? credential, ImmutabilityPolicy? immutability, RetentionPolicy? retention, CancellationToken cancellationToken)
    {
        var options = new RepositoryOptions { Label = settings.Name, Immutability = immutability, Retention = retention, StorageClass = settings.Bucket?.StorageClass };
        if (settings.Bucket is not null)
        {
            OpenedBucket opened = await OpenBucketAsync(settings.Bucket, credential, cancellationToken).ConfigureAwait(false);
            return Describe(settings with { Bucket = opened.Settings },
                await Repository.CreateAsync(opened.Store, password, options, cancellationToken).ConfigureAwait(false),
                opened.Bucket.DefaultRetentionDays);
        }
        // Nothing is made in a folder that holds something already: it will be refused.
        IObjectStore store = OpenFolder(settings, credential, () => !Directory.Exists(settings.Path) || !Directory.EnumerateFileSystemEntries(settings.Path).Any());
        return Describe(settings, await Repository.CreateAsync(store, password, options, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Opens a repository.</summary>
    /// <exception cref="NataliaException">What the engine throws; <c>PasswordRequired</c> where the user said that there is none.</exception>
    internal static async Task<RepositoryConnection> OpenRepositoryAsync(RepositorySettings settings, RepositoryPassword? password, UserCredential? credential, CancellationToken cancellationToken)
    {
        var options = new RepositoryOptions { Label = settings.Name };
        int? retentionDays = null;
        IObjectStore store;
        if (settings.Bucket is BucketSettings bucket)
        {
            OpenedBucket opened = await OpenBucketAsync(bucket, credential, cancellationToken).ConfigureAwait(false);
            store = opened.Store;
            retentionDays = opened.Bucket.DefaultRetentionDays;
            settings = settings with { Bucket = bucket with { AddressingStyle = opened.Settings.AddressingStyle } };
            // How strong locks are, and which class packs lie in, is the repository's own to say; the store must know
            // before
            // it writes.
            options = options with
            {
                Settle = (mode, storageClass) =>
                    new RetryStore(opened.Bucket.With(mode, storageClass ?? bucket.StorageClass)),
            };
        }
        else
        {
            store = OpenFolder(settings, credential, () => false);
        }
        Repository repository = await Repository.OpenAsync(store, password, options,
            cancellationToken).ConfigureAwait(false);
        if (settings.Access != RepositoryAccess.Unencrypted || !repository.IsEncrypted) return Describe(settings, repository, retentionDays);
        repository.Dispose();
        throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.Authentication, $"The repository '{settings.Path}' is encrypted.", settings.Path,
            "Give its -Password, or -AuditOnly to check it without one.");
    }

    /// <summary>Opens a folder, on a share with its user; files that others have open for a moment are waited for.</summary>
    private static IObjectStore OpenFolder(RepositorySettings settings, UserCredential? credential, Func<bool> create)
    {
        NetworkShare? share = credential is null ? null : NetworkShare.Connect(settings.Path, credential.UserName, credential.Password);
        try
        {
            IObjectStore store = new RetryStore(FolderStore.Open(settings.Path, create()), RetryPolicy.ForFiles);
            return share is null ? store : new ShareStore(store, share);
        }
        catch
        {
            share?.Dispose();
            throw;
        }
    }

    /// <summary>Tells how the natalia.json of a repository is.</summary>
    /// <exception cref="NataliaException">What the engine throws.</exception>
    internal static async Task<SettingsState> InspectSettingsAsync(RepositorySettings settings, UserCredential? credential, CancellationToken cancellationToken)
    {
        using IObjectStore store = await OpenStoreAsync(settings, credential, cancellationToken).ConfigureAwait(false);
        return await Repository.InspectSettingsAsync(store, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a lost natalia.json again.</summary>
    /// <exception cref="NataliaException">What the engine throws.</exception>
    internal static async Task RebuildSettingsAsync(RepositorySettings settings, RepositoryPassword? password, UserCredential? credential, CancellationToken cancellationToken)
    {
        using IObjectStore store = await OpenStoreAsync(settings, credential, cancellationToken).ConfigureAwait(false);
        await Repository.RebuildSettingsAsync(store, password, TimeProvider.System, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<IObjectStore> OpenStoreAsync(RepositorySettings settings, UserCredential? credential, CancellationToken cancellationToken) =>
        settings.Bucket is BucketSettings bucket ? (await OpenBucketAsync(bucket, credential, cancellationToken).ConfigureAwait(false)).Store : OpenFolder(settings, credential, () => false);

    /// <summary>Opens a bucket; what fails for a moment is tried again.</summary>
    private static async Task<OpenedBucket> OpenBucketAsync(BucketSettings bucket, UserCredential? credential, CancellationToken cancellationToken)
    {
        S3Store store = await S3Store.OpenAsync(new S3StoreOptions
        {
            Bucket = bucket.Bucket,
            Endpoint = bucket.Endpoint,
            Region = bucket.Region,
            AddressingStyle = bucket.AddressingStyle,
            Prefix = bucket.Prefix,
            AccessKey = credential?.UserName,
            SecretKey = credential?.Password,
            StorageClass = bucket.StorageClass,
            LockMode = bucket.LockMode,
            ServerCertificateThumbprint = bucket.ServerCertificateThumbprint,
        }, cancellationToken).ConfigureAwait(false);
        // Auto puts the bucket into the path first; what differs was found by trying, and need not be tried again.
        bool wasFound = bucket.AddressingStyle == S3AddressingStyle.Auto && bucket.Endpoint is not null && store.AddressingStyle == S3AddressingStyle.Virtual;
        return new OpenedBucket(new RetryStore(store), store, wasFound ? bucket
            with { AddressingStyle = S3AddressingStyle.Virtual } : bucket);
    }

    /// <summary>A bucket that was opened, with what was found out on the way.</summary>
    private sealed record OpenedBucket(IObjectStore Store, S3Store Bucket, BucketSettings Settings);

    private static RepositoryConnection Describe(RepositorySettings settings, Repository repository, int? retentionDays = null)
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
            ImmutableDays = repository.ImmutableDays,
            ImmutableWhileKept = repository.Immutability?.WhileKept ?? false,
            ImmutabilityMode = repository.ImmutabilityMode,
            BucketRetentionDays = retentionDays,
            ConnectedUtc = DateTime.UtcNow,
        };
        return new RepositoryConnection(session, repository, settings);
    }
}
