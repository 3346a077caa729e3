using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Keys;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Verification;

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

    private Repository(RepositoryCore core, Hash256 settingsHash)
    {
        _core = core;
        _manifests = new ManifestReader(core);
        _keys = new KeyRing(core, settingsHash);
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
            ImmutabilityPolicy? immutability = options.Immutability?.Validate();
            if (immutability is not null)
            {
                if (store.ObjectLock is null)
                    throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported, $"{store.Location} cannot lock objects, so that points in it cannot be immutable.", store.Location, "Take a bucket that was made with object lock.");
                if (immutability.WhileKept && options.Retention is null or { KeepsEverything: true })
                    throw new NataliaException(ErrorIds.ImmutabilityWithoutRetention, NataliaErrorKind.InvalidArgument, "Points that stay locked as long as they are kept need a retention policy that says for how long: without one, everything would stay locked for ever.", store.Location,
                        "Give a retention policy with at least one rule.");
                store = new LockingStore(store, immutability, options.Clock);
            }
            if (await store.StatAsync(Layout.Settings, cancellationToken).ConfigureAwait(false) is not null) throw Exists(store);
            var leftovers = new List<string>();
            await foreach (StoredObject first in store.ListAsync("", cancellationToken).ConfigureAwait(false))
            {
                if (first.Name.StartsWith(Layout.Probes, StringComparison.Ordinal)) continue;
                if (first.Name.StartsWith(Layout.Keys, StringComparison.Ordinal) || first.Name.StartsWith(Layout.RepositoryLog, StringComparison.Ordinal))
                {
                    leftovers.Add(first.Name);
                    continue;
                }
                throw new NataliaException(ErrorIds.NotARepository, NataliaErrorKind.AlreadyExists, $"{store.Location} is not empty: it holds '{first.Name}'.", store.Location, "Name an empty place, or one that does not exist yet.");
            }
            // Keys and records without settings and without any appliance: the making of a repository died here before it was one.
            foreach (string leftover in leftovers)
            {
                try
                {
                    await store.DeleteAsync(leftover, cancellationToken).ConfigureAwait(false);
                }
                catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
                {
                    throw new NataliaException(ErrorIds.ObjectLocked, NataliaErrorKind.PermissionDenied, $"The making of a repository at {store.Location} was broken off, and what it left is locked: {locked.Message}", store.Location,
                        "Make the repository under another prefix, or here when the lock has ended.", locked);
                }
            }
            RepositorySecrets secrets = RepositorySecrets.NewRandom();
            var settings = new RepositorySettings(Id128.NewRandom(), options.Clock.UtcNow(), password is null ? Cipher.None : Cipher.Aes256Gcm, Signing.PublicKey(secrets.SigningSeed));
            byte[] bytes = settings.Encode();
            byte[] slot = KeySlot.Seal(secrets, password, null, Hash256.Of(bytes), options.Clock.UtcNow(), options.PasswordCost, out Id128 slotId);
            var core = new RepositoryCore(store, settings, secrets, options, immutability);
            // The settings last: until they are there, the place is not a repository, and nobody opens it. The log before them: whoever finds a repository finds the record of its making.
            await store.PutAsync(Layout.Keys + slotId, new ObjectContent(slot), PutOptions.Metadata, cancellationToken).ConfigureAwait(false);
            await core.RepositoryLog.AppendAsync(new AuditEntry(AuditEvents.RepositoryCreated)
            {
                WriteData = json =>
                {
                    json.WriteString("repository", settings.Id.ToString());
                    json.WriteString("cipher", settings.Cipher == Cipher.None ? "none" : "aes-256-gcm");
                },
            }, secrets.SigningSeed, cancellationToken).ConfigureAwait(false);
            if (immutability is not null) await core.RepositoryLog.AppendAsync(ImmutabilityPolicy.Entry(immutability), secrets.SigningSeed, cancellationToken).ConfigureAwait(false);
            if (options.StorageClass is not null) await core.RepositoryLog.AppendAsync(StoreRecord.Entry(options.StorageClass), secrets.SigningSeed, cancellationToken).ConfigureAwait(false);
            if (options.Retention is RetentionPolicy retention) await core.RepositoryLog.AppendAsync(RetentionEntry(null, null, retention), secrets.SigningSeed, cancellationToken).ConfigureAwait(false);
            await store.FlushAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await store.PutAsync(Layout.Settings, new ObjectContent(bytes), new PutOptions { MustNotExist = true }, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException lost) when (lost.ErrorId == ErrorIds.ObjectExists)
            {
                await TakeBackAsync(core, slotId, cancellationToken).ConfigureAwait(false);
                throw Exists(store);
            }
            await store.FlushAsync(cancellationToken).ConfigureAwait(false);
            if (await store.StatAsync(Layout.Keys + slotId, cancellationToken).ConfigureAwait(false) is null)
            {
                // Another one who makes a repository here took this key for a leftover. Without a key it would be a repository that nobody opens.
                await store.DeleteAsync(Layout.Settings, cancellationToken).ConfigureAwait(false);
                throw Exists(store);
            }
            var made = new Repository(core, Hash256.Of(bytes)) { StorageClass = options.StorageClass };
            made._keys.Prove(slotId.ToString());
            return made;
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
            byte[] bytes = await RepositorySettings.ReadBytesAsync(store, cancellationToken).ConfigureAwait(false);
            RepositorySettings settings = RepositorySettings.Decode(bytes, store.Location);
            if (settings.Cipher == Cipher.None && password is not null)
                throw new NataliaException(ErrorIds.PasswordNotExpected, NataliaErrorKind.InvalidArgument, $"The repository {store.Location} is not encrypted, but a password was given.", store.Location,
                    "If you know it to be encrypted, somebody replaced it: do not write to it. Else use -Unencrypted.");
            var search = new KeySlotSearch(store);
            (RepositorySecrets? secrets, string? slot) = settings.Cipher == Cipher.None || password is not null
                ? await OpenSlotAsync(store, search, password, Hash256.Of(bytes), settings.AuditKey, options.Clock, cancellationToken).ConfigureAwait(false) : (null, null);
            ImmutabilityPolicy? immutability = await ReadImmutabilityAsync(store, settings, options, cancellationToken).ConfigureAwait(false);
            if (immutability is not null && store.ObjectLock is not null) store = new LockingStore(store, immutability, options.Clock);
            string? storageClass = await StoreRecord.ReadAsync(store, settings, options, cancellationToken).ConfigureAwait(false);
            var opened = new Repository(new RepositoryCore(store, settings, secrets, options, immutability), Hash256.Of(bytes))
            {
                StorageClass = storageClass, UnusableKeySlots = [.. search.Unusable.Select(u => $"'{u.ObjectName}': {u.Reason}")], UntriedKeySlots = search.Untried,
            };
            if (slot is not null) opened._keys.Prove(slot);
            return opened;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>The key slots that could not be used when it was opened, each with the reason. They harm no other one; whoever does not know them should find out who put them there.</summary>
    public IReadOnlyList<string> UnusableKeySlots { get; private init; } = [];

    /// <summary>How many key slots were not tried when it was opened, because there are far more than anybody needs.</summary>
    public int UntriedKeySlots { get; private init; }

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
    public bool IsEncrypted => _core.Settings.Cipher != Cipher.None;
    /// <summary>For how many days everything stored is locked against deletion, from its making on or ahead of every run (<see cref="Immutability"/>); null for not at all.</summary>
    public int? ImmutableDays => _core.Immutability?.Days;
    /// <summary>How strong its locks are; null when it sets none.</summary>
    public ObjectLockMode? ImmutabilityMode => _core.Immutability?.Mode;
    /// <summary>The storage class in which packs of blocks are put, as it was when the repository was made; null for the store's default.</summary>
    public string? StorageClass { get; private init; }
    /// <summary>True when points can be read and written: a password was given, or none is needed.</summary>
    public bool IsUnlocked => _core.IsUnlocked;
    /// <summary>The SHA-256 fingerprint of the key that signs the audit log, 64 lowercase hexadecimal digits. Kept elsewhere, it proves later that the log is this repository's.</summary>
    public string AuditKeyFingerprint => Signing.Fingerprint(_core.Settings.AuditKey);

    /// <summary>The restore points, newest first; those of the future, whose time cannot be true, last. Removed and incomplete ones are left out.</summary>
    /// <param name="filter">Which are wanted.</param>
    /// <param name="onDamage">Told of each point whose manifest is damaged, and the others are listed all the same; null throws at the first.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ManifestDamaged</c>.</exception>
    public Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter, Action<NataliaException>? onDamage, CancellationToken cancellationToken) =>
        GetRestorePointsAsync(filter, onDamage, null, cancellationToken);

    /// <summary>As above, and tells of points that are not listed because their manifests are not there.</summary>
    /// <param name="filter">Which are wanted. What is missing is told whatever its time.</param>
    /// <param name="onDamage">As above.</param>
    /// <param name="onMissing">Told of each appliance of which manifests are missing; or null. Costs requests only where some are, and for appliances without any point.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ManifestDamaged</c>.</exception>
    public async Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter, Action<NataliaException>? onDamage, Action<MissingPoints>? onMissing, CancellationToken cancellationToken)
    {
        _ = _core.Keys;
        IReadOnlyList<string> appliances = filter.ApplianceId is string one ? [one] : await _core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false);
        var points = new List<RestorePoint>();
        foreach (string appliance in appliances)
        {
            List<Run> runs = await _manifests.ListAsync(appliance, cancellationToken).ConfigureAwait(false);
            if (runs.Count == 0 && onMissing is null) continue;
            AuditLog log = _core.ApplianceLog(appliance);
            List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
            if (onMissing is not null && await FindMissingAsync(appliance, log, names, runs, cancellationToken).ConfigureAwait(false) is MissingPoints missing) onMissing(missing);
            if (runs.Count == 0) continue;
            PointStates states = await PointStates.ReadAsync(log, names, new HashSet<long>(runs.Select(r => r.Sequence)), cancellationToken).ConfigureAwait(false);
            runs.RemoveAll(r => states.IsRemoved(r.Id.ToString()));
            IReadOnlyList<RenewalRecord> renewals = await ReadRenewalsAsync(appliance, cancellationToken).ConfigureAwait(false);
            IReadOnlyList<(Run Run, PointManifest? Manifest, NataliaException? Damage)> read = await _manifests.ReadAllAsync(appliance, runs, fromCatalog: true, cancellationToken).ConfigureAwait(false);
            HashSet<Run> strange = await StrangeManifests.FindUnrecordedAsync(log, names, read.Where(r => r.Damage is not null).Select(r => r.Run), cancellationToken).ConfigureAwait(false);
            if (strange.Count > 0 && onDamage is not null) onDamage(Strange(appliance, strange));
            foreach ((Run run, PointManifest? manifest, NataliaException? damage) in read)
            {
                if (strange.Contains(run)) continue;
                if (damage is not null)
                {
                    RestorePoint? unreadable = await DescribeUnreadableAsync(appliance, run, log, names, states, cancellationToken).ConfigureAwait(false);
                    NataliaException trouble = unreadable is null ? damage : Unreadable(unreadable, damage);
                    if (onDamage is null) throw trouble;
                    onDamage(trouble);
                    if (unreadable is not null && filter.IncludeUnreadable && filter.Spans(unreadable.TimeUtc)) points.Add(unreadable);
                    continue;
                }
                if (manifest!.Incomplete || !filter.Spans(manifest.TimeUtc)) continue;
                points.Add(WithRenewal(Describe(manifest, states.IsProtected(manifest.PointId), states.FoundDamagedUtc(manifest.Run.Sequence)), renewals));
            }
        }
        points.Sort((a, b) => b.CompareTo(a));
        return points;
    }

    /// <summary>The points that the log knows as made and not as removed, and that have no manifest; null without any.</summary>
    private async Task<MissingPoints?> FindMissingAsync(string applianceId, AuditLog log, List<AuditName> names, List<Run> runs, CancellationToken cancellationToken)
    {
        var explained = new HashSet<long>(names.Where(n => n.Event == AuditEvents.PointRemoved).Select(n => n.Sequence));
        explained.UnionWith(runs.Select(r => r.Sequence));
        List<AuditName> made = names.FindAll(n => n.Event == AuditEvents.PointMade && !explained.Contains(n.Sequence));
        if (made.Count == 0) return null;
        // A point that was made since the manifests were listed is not missing.
        var present = new HashSet<long>((await _manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false)).Select(r => r.Sequence));
        made.RemoveAll(n => present.Contains(n.Sequence));
        int count = 0;
        string? name = null;
        DateTime newest = DateTime.MinValue;
        foreach (AuditRecord? record in await log.ReadAllAsync(made, cancellationToken).ConfigureAwait(false))
        {
            // A name alone may be anybody's.
            if (record?.RestorePointId is null) continue;
            count++;
            if (record.TimeUtc > newest) newest = record.TimeUtc;
            using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
            name = data.RootElement.ReadStringOrNull("name") ?? name;
        }
        return count == 0 ? null : new MissingPoints(applianceId, name, count, newest);
    }

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
        var run = new BackupRun(_core, _manifests, request, beforePublish, progress);
        PointManifest manifest = await run.ExecuteAsync(cancellationToken).ConfigureAwait(false);
        return Describe(manifest, isProtected: false) with { ClockWarning = run.ClockWarning, Requests = meter?.Usage.Requests, LockedObjects = locked?.Objects };
    }

    /// <summary>In an immutable repository nothing is stored through a session that could not lock it.</summary>
    /// <exception cref="NataliaException"><c>ObjectLockNotSupported</c>.</exception>
    internal void EnsureCanLock()
    {
        if (_core.Immutability is not null && _core.Store.ObjectLock is null)
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported, $"The repository '{Label}' is immutable, but {Location} was opened in a way that cannot lock objects. Nothing was written.", Label);
    }

    /// <summary>Reads everything that a point needs and checks it: delta, block map, blocks, configuration. One result; damage is a Failed result, not an exception, and is noted in the log for the next full backup.</summary>
    /// <param name="point">The point.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<CheckResult> VerifyRestorePointAsync(RestorePoint point, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        try
        {
            PointManifest manifest = await FindAsync(point.ApplianceId, point.RestorePointId, cancellationToken).ConfigureAwait(false);
            return await new PointVerification(_core, manifest, progress).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException archived) when (archived.ErrorId == ErrorIds.ObjectArchived)
        {
            return new CheckResult
            {
                Name = "RestorePoint", Result = CheckOutcome.Skipped, Target = point.ToString(), ErrorId = ErrorIds.RestorePointArchived,
                Detail = "What it needs lies in an archive class and was not read. Export-NataliaDisk -Thaw makes it readable for some days.",
                RestorePointId = point.RestorePointId, ApplianceId = point.ApplianceId, RepositoryId = RepositoryId,
            };
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
        {
            return new CheckResult
            {
                Name = "RestorePoint", Result = CheckOutcome.Failed, Target = point.ToString(), Detail = damage.Message, ErrorId = damage.ErrorId,
                RestorePointId = point.RestorePointId, ApplianceId = point.ApplianceId, RepositoryId = RepositoryId,
            };
        }
    }

    /// <summary>Checks the repository as a whole. Needs no password. Damage is a Failed result, not an exception.</summary>
    /// <param name="full">Read every byte of every object; else only the structure: what should be there is there, in its right length.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public IAsyncEnumerable<CheckResult> CheckAsync(bool full, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        new RepositoryCheck(_core, full, progress).ExecuteAsync(cancellationToken);

    /// <summary>Proves the destination by trying: writes, reads, clocks, room, and whether what is locked can truly not be deleted. Needs no password.</summary>
    /// <param name="hypervisorHosts">Names and addresses of the hypervisors' hosts: a destination on one of them is lost with it.</param>
    /// <param name="cancellationToken">Stops it; what was made is still removed.</param>
    public IAsyncEnumerable<CheckResult> ProbeAsync(IReadOnlyCollection<string> hypervisorHosts, CancellationToken cancellationToken) =>
        StoreProbe.RunAsync(_core.Store, new StoreProbeOptions { Clock = _core.Clock, HypervisorHosts = hypervisorHosts, RepositoryId = RepositoryId }, cancellationToken);

    /// <summary>Writes a disk of a point to a target, which the caller disposes.</summary>
    /// <param name="point">The point.</param>
    /// <param name="diskId">Which disk; null takes the data disk, or the only one.</param>
    /// <param name="target">Where to.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The disk that was written.</returns>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>DiskNotFound</c>, <c>DiskAmbiguous</c>, <c>PackMissing</c>, <c>BlockDamaged</c>, <c>BlockMapDamaged</c>, what the target throws.</exception>
    public async Task<RestorePointDisk> ExportDiskAsync(RestorePoint point, string? diskId, IDiskTarget target, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        (await ExportDiskAsync(point, diskId, target, null, progress, cancellationToken).ConfigureAwait(false)).Disk;

    /// <summary>Writes what is left of a disk of a damaged point to a target, which the caller disposes. What is lost becomes zeros, and is told.</summary>
    /// <param name="point">The point.</param>
    /// <param name="diskId">Which disk; null takes the data disk, or the only one.</param>
    /// <param name="target">Where to.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The disk that was written, and what of it is lost.</returns>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>DiskNotFound</c>, <c>DiskAmbiguous</c>, <c>BlockDamaged</c> when nothing at all is left, what the target throws.</exception>
    public async Task<SalvagedDisk> SalvageDiskAsync(RestorePoint point, string? diskId, IDiskTarget target, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var losses = new LossCollector();
        (ManifestDisk found, RestorePointDisk disk) = await ExportDiskAsync(point, diskId, target, losses, progress, cancellationToken).ConfigureAwait(false);
        long lostBlocks = found.Root.Blocks - losses.Good;
        return new SalvagedDisk(disk, Math.Min(lostBlocks * BlockGeometry.BlockBytes, disk.SizeBytes), losses.Extents(disk.SizeBytes));
    }

    private async Task<(ManifestDisk Found, RestorePointDisk Disk)> ExportDiskAsync(RestorePoint point, string? diskId, IDiskTarget target, LossCollector? losses, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        using IDisposable use = PointsInUse.Enter(RepositoryId, point.RestorePointId);
        PointManifest manifest = await FindAsync(point.ApplianceId, point.RestorePointId, cancellationToken).ConfigureAwait(false);
        ManifestDisk disk = ChooseDisk(manifest, diskId);
        await new DiskExport(_core, manifest.ApplianceId, disk, losses, progress).ExecuteAsync(target, $"Exporting {disk.DiskId} of {manifest.ApplianceName}", cancellationToken).ConfigureAwait(false);
        return (disk, Describe(disk));
    }

    /// <summary>The VM configuration kept with a point.</summary>
    /// <param name="point">The point.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>ConfigurationNotStored</c>, <c>PackMissing</c>, <c>ObjectDamaged</c>.</exception>
    public async Task<ApplianceDescription> GetConfigurationAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        PointManifest manifest = await FindAsync(point.ApplianceId, point.RestorePointId, cancellationToken).ConfigureAwait(false);
        Reference configuration = manifest.Configuration ?? throw new NataliaException(ErrorIds.ConfigurationNotStored, NataliaErrorKind.NotFound, $"The point {point} holds no VM configuration.", point.RestorePointId);
        using var codec = new SegmentCodec();
        byte[] bytes = await _core.PackReader(manifest.ApplianceId).ReadSegmentAsync(PackArea.Meta, configuration, codec, cancellationToken).ConfigureAwait(false);
        try
        {
            return ApplianceDescriptionJson.Decode(bytes);
        }
        catch (FormatException damage)
        {
            throw new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData, $"The VM configuration of the point {point} cannot be read: {damage.Message}", point.RestorePointId, null, damage);
        }
    }

    /// <summary>The settings of every enrolled appliance.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(CancellationToken cancellationToken)
    {
        var all = new List<ApplianceSettings>();
        foreach (string appliance in await _core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
        {
            AuditLog log = _core.ApplianceLog(appliance);
            foreach (AuditName name in Enumerable.Reverse(await log.ListAsync(cancellationToken).ConfigureAwait(false)))
            {
                if (name.Event != AuditEvents.ApplianceSet) continue;
                try
                {
                    AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                    all.Add(DecodeSettings(appliance, record.Data ?? "{}"));
                    break;
                }
                catch (FormatException)
                {
                    // Damaged or not signed: the setting before it counts, and the repository's check reports this one.
                }
            }
        }
        return all;
    }

    /// <summary>Enrols an appliance, or changes its settings.</summary>
    /// <param name="settings">All settings, also the unchanged ones.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>.</exception>
    public async Task SetApplianceSettingsAsync(ApplianceSettings settings, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        Lease lease = await _core.AcquireLeaseAsync(settings.ApplianceId, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            await _core.ApplianceLog(settings.ApplianceId).AppendAsync(new AuditEntry(AuditEvents.ApplianceSet)
            {
                ApplianceId = settings.ApplianceId,
                WriteData = json =>
                {
                    json.WriteString("name", settings.Name);
                    json.WriteString("hypervisor", settings.HypervisorKind);
                    if (settings.DataDiskId is not null) json.WriteString("dataDisk", settings.DataDiskId);
                    json.WriteBoolean("includeSystemDisk", settings.IncludeSystemDisk);
                },
            }, _core.SigningSeed, cancellationToken).ConfigureAwait(false);
            await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static ApplianceSettings DecodeSettings(string appliance, string data)
    {
        using JsonDocument document = JsonDocument.Parse(data);
        JsonElement root = document.RootElement;
        return new ApplianceSettings
        {
            ApplianceId = appliance,
            Name = root.ReadString("name"),
            HypervisorKind = root.ReadString("hypervisor"),
            DataDiskId = root.ReadStringOrNull("dataDisk"),
            IncludeSystemDisk = root.ReadBool("includeSystemDisk"),
        };
    }

    private async Task<PointManifest> FindAsync(string applianceId, string restorePointId, CancellationToken cancellationToken)
    {
        _ = _core.Keys;
        foreach (Run run in await _manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false))
        {
            if (run.Id.ToString() != restorePointId) continue;
            PointStates states = await PointStates.ReadAsync(_core.ApplianceLog(applianceId), [run.Sequence], cancellationToken).ConfigureAwait(false);
            if (states.IsRemoved(restorePointId)) break;
            PointManifest manifest = await _manifests.ReadAsync(applianceId, run, cancellationToken).ConfigureAwait(false);
            if (!manifest.Incomplete) return manifest;
        }
        throw NotFound(restorePointId);
    }

    private static ManifestDisk ChooseDisk(PointManifest manifest, string? diskId)
    {
        if (diskId is not null)
            return manifest.Disks.FirstOrDefault(d => string.Equals(d.DiskId, diskId, StringComparison.OrdinalIgnoreCase))
                ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound, $"The point holds no disk '{diskId}'. It holds: {Names(manifest)}.", diskId);
        if (manifest.Disks.Count == 1) return manifest.Disks[0];
        ManifestDisk[] data = manifest.Disks.Where(d => d.Role == DiskRole.Data).ToArray();
        return data.Length == 1 ? data[0] : throw new NataliaException(ErrorIds.DiskAmbiguous, NataliaErrorKind.InvalidArgument, $"The point holds several disks and none of them, or more than one, is the data disk: {Names(manifest)}.", manifest.PointId, "Name the disk with -DiskId.");
    }

    private static string Names(PointManifest manifest) => string.Join(", ", manifest.Disks.Select(d => $"{d.DiskId} ({d.Role})"));

    private RestorePoint Describe(PointManifest manifest, bool isProtected, DateTime? foundDamagedUtc = null) => new()
    {
        RestorePointId = manifest.PointId,
        ApplianceId = manifest.ApplianceId,
        ApplianceName = manifest.ApplianceName,
        RepositoryId = RepositoryId,
        Repository = Label,
        Sequence = manifest.Run.Sequence,
        TimeUtc = manifest.TimeUtc,
        IsInFuture = _core.Clock.IsInFuture(manifest.TimeUtc),
        Type = manifest.Type,
        RequestedType = manifest.RequestedType,
        Reason = manifest.Reason,
        Consistency = manifest.Consistency,
        SizeBytes = manifest.Disks.Sum(d => d.SizeBytes),
        ReadBytes = manifest.ReadBytes,
        StoredBytes = manifest.StoredBytes,
        Duration = manifest.Duration,
        Disks = manifest.Disks.Select(Describe).ToArray(),
        IsProtected = isProtected,
        ImmutableUntilUtc = manifest.ImmutableUntilUtc,
        OriginalRestorePointId = manifest.CopyOf?.PointId,
        OriginalRepositoryId = manifest.CopyOf?.RepositoryId,
        IsEncrypted = IsEncrypted,
        Verification = foundDamagedUtc is null ? VerificationState.Unknown : VerificationState.Failed,
        VerifiedUtc = foundDamagedUtc > DateTime.MinValue ? foundDamagedUtc : null,
    };

    private static RestorePointDisk Describe(ManifestDisk disk) => new(disk.DiskId, disk.Role, disk.SizeBytes, Math.Min(disk.Root.Blocks * BlockGeometry.BlockBytes, disk.SizeBytes));

    /// <summary>Another one made a repository here at the same moment and was first: takes back what this one had begun with.</summary>
    private static async Task TakeBackAsync(RepositoryCore core, Id128 slotId, CancellationToken cancellationToken)
    {
        var mine = new List<string> { Layout.Keys + slotId };
        foreach (AuditName name in await core.RepositoryLog.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                await core.RepositoryLog.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                mine.Add(name.ObjectName);
            }
            catch (FormatException)
            {
                // The winner's: it is not signed by this one's key.
            }
        }
        foreach (string name in mine)
        {
            try
            {
                await core.Store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
            {
                // It opens nothing and has no effect; the winner's checks report it until its lock has ended and somebody deletes it.
            }
        }
    }

    /// <summary>The policy that the repository was made with. One that cannot be read stops the opening: writing without locks what should be locked would be a lie.</summary>
    private static async Task<ImmutabilityPolicy?> ReadImmutabilityAsync(IObjectStore store, RepositorySettings settings, RepositoryOptions options, CancellationToken cancellationToken)
    {
        var log = new AuditLog(store, null, settings.AuditKey, options.Clock);
        List<AuditName> all = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        NataliaException? trouble = null;
        foreach (AuditName name in Enumerable.Reverse(all.FindAll(n => n.Event == ImmutabilityPolicy.Event)))
        {
            try
            {
                return ImmutabilityPolicy.Read(await log.ReadAsync(name, cancellationToken).ConfigureAwait(false));
            }
            catch (FormatException damage)
            {
                trouble ??= new NataliaException(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData, $"The immutability policy of the repository {store.Location} cannot be read: {damage.Message}", store.Location, $"Put back the object '{name.ObjectName}'.", damage);
                // It was written when the repository was made, by one writer: where a genuine record has that number, this is none.
                List<AuditName> others = all.FindAll(n => n.Number == name.Number && n != name);
                if ((await log.ReadAllAsync(others, cancellationToken).ConfigureAwait(false)).Any(r => r is not null)) trouble = null;
            }
        }
        if (trouble is not null) throw trouble;
        return null;
    }

    private static async Task<(RepositorySecrets Secrets, string? Slot)> OpenSlotAsync(
        IObjectStore store, KeySlotSearch search, RepositoryPassword? password, Hash256 settingsHash, byte[] auditKey, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (await search.FindAsync(password, settingsHash, auditKey, clock, cancellationToken).ConfigureAwait(false) is var (secrets, header)) return (secrets, header.Id.ToString());
        if (search.Whole > 0 && password is not null)
            throw new NataliaException(ErrorIds.WrongPassword, NataliaErrorKind.Authentication, $"The password is not that of the repository {store.Location}.{search.Describe()}", store.Location, WrongPasswordAdvice);
        string damage = search.Unusable.Count == 0 ? ": there is none." : $"; '{search.Unusable[0].ObjectName}': {search.Unusable[0].Reason}";
        throw new NataliaException(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData, $"No key slot of the repository {store.Location} can be read{damage}", store.Location,
            $"Put back a copy of a file under '{Layout.Keys}'. Without one, nothing in the repository can be read.");
    }

    private const string WrongPasswordAdvice = "Check Caps Lock and the keyboard's layout, and that it is the password of this repository and not of another one. A repository may have several passwords; any of them opens it.";

    private static NataliaException Exists(IObjectStore store) => new(ErrorIds.RepositoryExists, NataliaErrorKind.AlreadyExists, $"There is a repository at {store.Location} already.", store.Location, "Open it with Connect-NataliaRepository.");

    private static NataliaException NotFound(string restorePointId) => new(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound, $"There is no restore point '{restorePointId}'.", restorePointId, "List the points with Get-NataliaRestorePoint.");

    /// <inheritdoc/>
    public void Dispose() => _core.Dispose();
}
