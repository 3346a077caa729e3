using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Keys;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// An open repository. All members may be called from any thread; operations on one appliance that write exclude each other by its lease, across processes and machines.
/// Dates are UTC, sizes are bytes. Every member can throw a store error (<see cref="IObjectStore"/>).
/// </summary>
public sealed partial class Repository : IDisposable
{
    private readonly RepositoryCore _core;
    private readonly ManifestReader _manifests;
    private readonly KeyRing _keys;
    private readonly PointDescriber _describer;
    private readonly PointListing _listing;
    private readonly PointFinder _finder;
    private readonly PointRemover _remover;
    private readonly PolicyBook _policies;
    private readonly KeptPointLocks _locks;
    private readonly ApplianceBook _appliances;

    /// <param name="core">What was opened; belongs to the repository from here on.</param>
    /// <param name="settingsHash">The hash of <c>natalia.json</c>.</param>
    /// <param name="provenSlot">The id of the key slot that was opened; null for none.</param>
    internal Repository(RepositoryCore core, Hash256 settingsHash, string? provenSlot)
    {
        _core = core;
        _manifests = new ManifestReader(core);
        _keys = new KeyRing(core, settingsHash);
        if (provenSlot is not null) _keys.Prove(provenSlot);
        _describer = new PointDescriber(core);
        _listing = new PointListing(core, _manifests, _describer);
        _finder = new PointFinder(core, _manifests, _describer);
        _remover = new PointRemover(core, _listing, _finder);
        _policies = new PolicyBook(core);
        _locks = new KeptPointLocks(core, _manifests, _listing, _remover, _policies);
        _appliances = new ApplianceBook(core);
    }

    /// <summary>Makes a repository in an empty place and opens it. The store becomes the repository's, and is disposed with it (also when this fails).</summary>
    /// <param name="store">Where; must hold no object.</param>
    /// <param name="password">The password; null makes an <i>unencrypted</i> repository.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RepositoryExists</c>, <c>NotARepository</c>.</exception>
    public static async Task<Repository> CreateAsync(IObjectStore store, RepositoryPassword? password, RepositoryOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await new RepositoryMaker(store, password, options).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>Opens a repository. The store becomes the repository's, and is disposed with it (also when this fails).</summary>
    /// <param name="store">Where it is.</param>
    /// <param name="password">The password; null opens without one, which allows what needs none: scrubbing and the audit log. An unencrypted repository takes none.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotFound</c>, <c>NotARepository</c>, <c>RepositoryDamaged</c>, <c>RepositoryFormatTooNew</c>, <c>WrongPassword</c>, <c>PasswordNotExpected</c>.</exception>
    public static async Task<Repository> OpenAsync(IObjectStore store, RepositoryPassword? password, RepositoryOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await RepositoryOpener.ExecuteAsync(store, password, options, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>The key slots that could not be used when it was opened, each with the reason. They harm no other one; whoever does not know them should find out who put them there.</summary>
    public IReadOnlyList<string> UnusableKeySlots { get; internal init; } = [];

    /// <summary>How many key slots were not tried when it was opened, because there are far more than anybody needs.</summary>
    public int UntriedKeySlots { get; internal init; }

    /// <summary>The repository's id: 32 lowercase hexadecimal digits.</summary>
    public string RepositoryId => _core.RepositoryId;
    /// <summary>The session's name.</summary>
    public string Label => _core.Options.Label;
    /// <summary>Where it is, without secrets.</summary>
    public string Location => _core.Store.Location;
    /// <summary>The kind of its store: <c>Folder</c>, <c>S3</c>, <c>Memory</c>.</summary>
    public string StoreKind => _core.Store.Kind;
    /// <summary>The format version that it was made with.</summary>
    public int FormatVersion => RepositorySettings.FormatVersion;
    /// <summary>When it was made, UTC.</summary>
    public DateTime CreatedUtc => _core.Settings.CreatedUtc;
    /// <summary>Whether what it holds is sealed with a password.</summary>
    public bool IsEncrypted => _core.IsEncrypted;
    /// <summary>For how many days everything stored is locked against deletion, from its making on or ahead of every run (<see cref="Immutability"/>); null for not at all.</summary>
    public int? ImmutableDays => _core.Immutability?.Days;
    /// <summary>How strong its locks are; null when it sets none.</summary>
    public ObjectLockMode? ImmutabilityMode => _core.Immutability?.Mode;
    /// <summary>The storage class in which packs of blocks are put, as it was when the repository was made; null for the store's default.</summary>
    public string? StorageClass { get; internal init; }
    /// <summary>True when points can be read and written: a password was given, or none is needed.</summary>
    public bool IsUnlocked => _core.IsUnlocked;
    /// <summary>The SHA-256 fingerprint of the key that signs the audit log, 64 lowercase hexadecimal digits. Kept elsewhere, it proves later that the log is this repository's.</summary>
    public string AuditKeyFingerprint => Signing.Fingerprint(_core.Settings.AuditKey);

    /// <summary>Makes a restore point.</summary>
    /// <param name="request">What to back up.</param>
    /// <param name="beforePublish">Called when everything was read and nothing is visible yet; when it throws, no point is made. Or null.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it; a checkpoint that was made stays, and the lease is released before this returns.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>LeaseLost</c>, <c>PasswordRequired</c>, <c>DiskReadFailed</c>, a store error.</exception>
    public async Task<RestorePoint> BackupAsync(BackupRequest request, Func<CancellationToken, Task>? beforePublish, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        EnsureCanLock();
        if (request.Disks.Count == 0) throw new ArgumentException("There is no disk to back up.", nameof(request));
        _ = _core.Keys;
        StoreMeter? meter = _core.Store.Find<IMeteredStore>()?.Meter.Measure();
        LockCount? locked = _core.Store.Find<LockingStore>()?.Measure();
        var run = new BackupRun(_core, _manifests, new HypervisorRun(request, beforePublish), progress);
        PointManifest manifest = await run.ExecuteAsync(cancellationToken).ConfigureAwait(false);
        return _describer.Describe(manifest, isProtected: false) with { ClockWarning = run.ClockWarning, Requests = meter?.Usage.Requests, LockedObjects = locked?.Objects };
    }

    /// <summary>In an immutable repository nothing is stored through a session that could not lock it.</summary>
    /// <exception cref="NataliaException"><c>ObjectLockNotSupported</c>.</exception>
    internal void EnsureCanLock()
    {
        if (_core.Immutability is not null && _core.Store.ObjectLock is null)
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported, $"The repository '{Label}' is immutable, but {Location} was opened in a way that cannot lock objects. Nothing was written.", Label);
    }

    /// <inheritdoc/>
    public void Dispose() => _core.Dispose();
}
