using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Keys;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// An open repository. All members may be called from any thread; operations on one appliance that write exclude each
/// other by its lease, across processes and machines. Dates are UTC, sizes are bytes. Every member can throw a store
/// error (<see cref="IObjectStore"/>).
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

    /// <summary>
    /// Makes a repository in an empty place and opens it. The store becomes the repository's, and is disposed with it
    /// (also when this fails).
    /// </summary>
    /// <param name="store">Where; must hold no object.</param>
    /// <param name="password">The password; null makes an <i>unencrypted</i> repository.</param>
    /// <param name="options">How.</param>
    /// <exception cref="NataliaException"><c>RepositoryExists</c>, <c>NotARepository</c>.</exception>
    public static async Task<Repository> CreateAsync(IObjectStore store, RepositoryPassword? password,
        RepositoryOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await new RepositoryMaker(store, password,
                options).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Opens a repository. The store becomes the repository's, and is disposed with it (also when this fails).
    /// </summary>
    /// <param name="store">Where it is.</param>
    /// <param name="password">The password; null opens without one, which allows what needs none: scrubbing and the
    /// audit log. An unencrypted repository takes none.</param>
    /// <param name="options">How.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotFound</c>, <c>NotARepository</c>, <c>RepositoryDamaged</c>,
    /// <c>RepositoryFormatTooNew</c>, <c>WrongPassword</c>, <c>PasswordNotExpected</c>.</exception>
    public static async Task<Repository> OpenAsync(IObjectStore store, RepositoryPassword? password,
        RepositoryOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await RepositoryOpener.ExecuteAsync(store, password, options,
                cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The key slots that could not be used when it was opened, each with the reason. They harm no other one; whoever
    /// does not know them should find out who put them there.
    /// </summary>
    public IReadOnlyList<string> UnusableKeySlots { get; internal init; } = [];

    /// <summary>
    /// How many key slots were not tried when it was opened, because there are far more than anybody needs.
    /// </summary>
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
    /// <summary>
    /// For how many days everything stored is locked against deletion, from its making on or ahead of every run
    /// (<see cref="Immutability"/>); null for not at all.
    /// </summary>
    public int? ImmutableDays => _core.Immutability?.Days;
    /// <summary>How strong its locks are; null when it sets none.</summary>
    public ObjectLockMode? ImmutabilityMode => _core.Immutability?.Mode;
    /// <summary>
    /// The storage class in which packs of blocks are put, as it was when the repository was made; null for the store's
    /// default.
    /// </summary>
    public string? StorageClass { get; internal init; }

    /// <summary>True when packs that are stored now lie in an archive class, from which they are read only after a
    /// thaw.</summary>
    public bool ArchivesPacks => _core.Store.Find<IObjectArchive>()?.HoldsNewPacks == true;
    /// <summary>True when points can be read and written: a password was given, or none is needed.</summary>
    public bool IsUnlocked => _core.IsUnlocked;
    /// <summary>
    /// The SHA-256 fingerprint of the key that signs the audit log, 64 lowercase hexadecimal digits. Kept elsewhere, it
    /// proves later that the log is this repository's.
    /// </summary>
    public string AuditKeyFingerprint => Signing.Fingerprint(_core.Settings.AuditKey);

    /// <summary>
    /// Begins a backup: takes the appliance's lease and reads what the next point will be compared with, before
    /// anything is frozen.
    /// </summary>
    /// <param name="applianceId">Whose history goes on.</param>
    /// <param name="vm">The VM as its hypervisor lists it; its own <see cref="ApplianceDescription.ApplianceId"/> may
    /// be another one.</param>
    /// <param name="diskIds">The disks that will be backed up.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>, <c>ObjectLockNotSupported</c>, a
    /// store error.</exception>
    public Task<PendingBackup> BeginBackupAsync(string applianceId, ApplianceDescription vm,
        IReadOnlyCollection<string> diskIds, CancellationToken cancellationToken)
    {
        EnsureCanLock();
        _ = _core.Keys;
        return PendingBackup.BeginAsync(_core, _manifests, m => _describer.Describe(m, isProtected: false), applianceId,
            vm, diskIds, cancellationToken);
    }

    /// <summary>
    /// Makes a restore point of disks whose tracking tokens, where they have any, are those of the freeze.
    /// </summary>
    /// <param name="request">What to back up.</param>
    /// <param name="beforePublish">Called when everything was read and nothing is visible yet; when it throws, no point
    /// is made. Or null.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it; a checkpoint that was made stays, and the lease is released before
    /// this returns.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>LeaseLost</c>, <c>PasswordRequired</c>,
    /// <c>DiskReadFailed</c>, a store error.</exception>
    public async Task<RestorePoint> BackupAsync(BackupRequest request, Func<CancellationToken, Task>? beforePublish,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (request.Disks.Count == 0) throw new ArgumentException("There is no disk to back up.", nameof(request));
        PendingBackup pending = await BeginBackupAsync(request.Appliance.ApplianceId, request.Appliance,
            [.. request.Disks.Select(d => d.DiskId)], cancellationToken).ConfigureAwait(false);
        RestorePoint point;
        await using (pending.ConfigureAwait(false))
            point = await pending.ExecuteAsync(request, beforePublish is null ? null : SealAsync, progress,
                cancellationToken).ConfigureAwait(false);
        return point with { Requests = pending.Requests };

        async Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken stop)
        {
            await beforePublish(stop).ConfigureAwait(false);
            return request.Disks.Where(d => d.Source is IChangeTrackingSource { TrackingToken: not null })
                .ToDictionary(d => d.DiskId, d => ((IChangeTrackingSource)d.Source).TrackingToken!);
        }
    }

    /// <summary>
    /// Does something elsewhere while the appliance's lease is held: what runs of it left on a hypervisor belongs to
    /// dead ones meanwhile, and no new one begins.
    /// </summary>
    /// <param name="applianceId">Whose lease is held.</param>
    /// <param name="work">What is done.</param>
    /// <param name="cancellationToken">Stops it; the lease is released before this returns.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, a store error, and what the work throws.</exception>
    public async Task WhileHeldAsync(string applianceId, Func<CancellationToken, Task> work,
        CancellationToken cancellationToken)
    {
        Lease lease = await _core.AcquireLeaseAsync(applianceId, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false)) await work(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>In an immutable repository nothing is stored through a session that could not lock it.</summary>
    /// <exception cref="NataliaException"><c>ObjectLockNotSupported</c>.</exception>
    internal void EnsureCanLock()
    {
        if (_core.Immutability is not null && _core.Store.ObjectLock is null)
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported,
                $"The repository '{Label}' is immutable, but {Location} was opened in a way that cannot lock objects. "
                + "Nothing was written.",
                Label);
    }

    /// <inheritdoc/>
    public void Dispose() => _core.Dispose();
}
