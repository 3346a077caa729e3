using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>How a repository is opened or made.</summary>
public sealed record RepositoryOptions
{
    /// <summary>What the session is called; shows in restore points.</summary>
    public required string Label { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// An open repository. All members may be called from any thread; operations on one appliance that write exclude each other by its lease, across processes and machines.
/// Dates are UTC, sizes are bytes. Every member can throw a store error (<see cref="IObjectStore"/>).
/// </summary>
public sealed class Repository : IDisposable
{
    /// <summary>Makes a repository in an empty place and opens it. The store becomes the repository's, and is disposed with it (also when this fails).</summary>
    /// <param name="store">Where; must hold no object.</param>
    /// <param name="password">The password; null makes an <i>unencrypted</i> repository.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RepositoryExists</c>, <c>NotARepository</c>.</exception>
    public static Task<Repository> CreateAsync(IObjectStore store, RepositoryPassword? password, RepositoryOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Opens a repository. The store becomes the repository's, and is disposed with it (also when this fails).</summary>
    /// <param name="store">Where it is.</param>
    /// <param name="password">The password; null opens without one, which allows what needs none: scrubbing and the audit log. An unencrypted repository takes none.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotFound</c>, <c>NotARepository</c>, <c>RepositoryDamaged</c>, <c>RepositoryFormatTooNew</c>, <c>WrongPassword</c>, <c>PasswordNotExpected</c>.</exception>
    public static Task<Repository> OpenAsync(IObjectStore store, RepositoryPassword? password, RepositoryOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>The repository's id: 32 lowercase hexadecimal digits.</summary>
    public string RepositoryId => throw new NotSupportedException();
    /// <summary>The session's name.</summary>
    public string Label => throw new NotSupportedException();
    /// <summary>Where it is, without secrets.</summary>
    public string Location => throw new NotSupportedException();
    /// <summary>The kind of its store: <c>Folder</c>, <c>S3</c>, <c>Memory</c>.</summary>
    public string StoreKind => throw new NotSupportedException();
    /// <summary>The format version that it was made with.</summary>
    public int FormatVersion => throw new NotSupportedException();
    /// <summary>When it was made, UTC.</summary>
    public DateTime CreatedUtc => throw new NotSupportedException();
    /// <summary>Whether what it holds is sealed with a password.</summary>
    public bool IsEncrypted => throw new NotSupportedException();
    /// <summary>True when points can be read and written: a password was given, or none is needed.</summary>
    public bool IsUnlocked => throw new NotSupportedException();
    /// <summary>The SHA-256 fingerprint of the key that signs the audit log, 64 lowercase hexadecimal digits. Kept elsewhere, it proves later that the log is this repository's.</summary>
    public string AuditKeyFingerprint => throw new NotSupportedException();

    /// <summary>The restore points, newest first. Removed and incomplete ones are left out.</summary>
    /// <param name="filter">Which are wanted.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ManifestDamaged</c>.</exception>
    public Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Makes a restore point.</summary>
    /// <param name="request">What to back up.</param>
    /// <param name="beforePublish">Called when everything was read and nothing is visible yet; when it throws, no point is made. Or null.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it; what is stored stays reusable, the lease is released before this returns.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>LeaseLost</c>, <c>PasswordRequired</c>, <c>DiskReadFailed</c>, a store error.</exception>
    public Task<RestorePoint> BackupAsync(BackupRequest request, Func<CancellationToken, Task>? beforePublish, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Reads everything that a point needs and checks it: block map, blocks, configuration. One result; damage is a Failed result, not an exception.</summary>
    /// <param name="point">The point.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public Task<CheckResult> VerifyRestorePointAsync(RestorePoint point, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Checks the repository as a whole. Needs no password. Damage is a Failed result, not an exception.</summary>
    /// <param name="full">Read every byte of every object; else only the structure: what should be there is there, in its right length.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public IAsyncEnumerable<CheckResult> CheckAsync(bool full, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Writes a disk of a point to a target, which the caller disposes.</summary>
    /// <param name="point">The point.</param>
    /// <param name="diskId">Which disk; null takes the data disk, or the only one.</param>
    /// <param name="target">Where to.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The disk that was written.</returns>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>DiskNotFound</c>, <c>DiskAmbiguous</c>, <c>PackMissing</c>, <c>BlockDamaged</c>, <c>BlockMapDamaged</c>, what the target throws.</exception>
    public Task<RestorePointDisk> ExportDiskAsync(RestorePoint point, string? diskId, IDiskTarget target, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>The VM configuration kept with a point.</summary>
    /// <param name="point">The point.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public Task<ApplianceDescription> GetConfigurationAsync(RestorePoint point, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Removes a point: records the removal with its reason, and makes the point invisible.</summary>
    /// <param name="point">The point.</param>
    /// <param name="reason">Why, for the audit log.</param>
    /// <param name="allowNewest">Also when it is the appliance's newest good point, by the user's explicit word.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>RestorePointProtected</c>, <c>RestorePointLocked</c>, <c>RestorePointIsNewest</c>, <c>LeaseHeld</c>.</exception>
    public Task RemoveRestorePointAsync(RestorePoint point, string reason, bool allowNewest, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>The settings of every enrolled appliance.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    public Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Enrols an appliance, or changes its settings.</summary>
    /// <param name="settings">All settings, also the unchanged ones.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public Task SetApplianceSettingsAsync(ApplianceSettings settings, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Dispose() { }
}
