using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Verification;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// A restore point at hand: it was found, its manifest was read and is whole. What is done with it lists nothing again.
/// Holds nothing open; all members may be called from any thread, while the repository is open. A point that is removed
/// meanwhile stays readable for <see cref="Repository.DefaultGrace"/>.
/// </summary>
public sealed class OpenPoint
{
    private readonly RepositoryCore _core;
    private readonly PointManifest _manifest;

    internal OpenPoint(RepositoryCore core, PointFinder.Found found) =>
        (_core, _manifest, Point) = (core, found.Manifest, found.Point);

    /// <summary>The point, as it was when it was opened.</summary>
    public RestorePoint Point { get; }

    /// <summary>Writes a disk to a target, which the caller disposes.</summary>
    /// <param name="diskId">Which disk; null takes the data disk, or the only one.</param>
    /// <param name="target">Where to.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <returns>The disk that was written.</returns>
    /// <exception cref="NataliaException">
    /// <c>DiskNotFound</c>, <c>DiskAmbiguous</c>, <c>PackMissing</c>, <c>BlockDamaged</c>, <c>BlockMapDamaged</c>, what
    /// the target throws.
    /// </exception>
    public async Task<RestorePointDisk> ExportDiskAsync(string? diskId, IDiskTarget target,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        PointDescriber.Describe(await ExportAsync(diskId, target, null, progress,
            cancellationToken).ConfigureAwait(false));

    /// <summary>
    /// Writes what is left of a disk of a damaged point to a target, which the caller disposes. What is lost becomes
    /// zeros, and is told.
    /// </summary>
    /// <param name="diskId">Which disk; null takes the data disk, or the only one.</param>
    /// <param name="target">Where to.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <returns>The disk that was written, and what of it is lost.</returns>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskAmbiguous</c>, <c>BlockDamaged</c> when nothing
    /// at all is left, what the target throws.</exception>
    public async Task<SalvagedDisk> SalvageDiskAsync(string? diskId, IDiskTarget target,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var losses = new LossCollector();
        ManifestDisk disk = await ExportAsync(diskId, target, losses, progress,
            cancellationToken).ConfigureAwait(false);
        long lostBlocks = disk.Root.Blocks - losses.Good;
        return new SalvagedDisk(PointDescriber.Describe(disk),
            Math.Min(lostBlocks * BlockGeometry.BlockBytes, disk.SizeBytes), losses.Extents(disk.SizeBytes));
    }

    /// <summary>
    /// Reads everything that the point needs and checks it: delta, block map, blocks, configuration. One result; damage
    /// is a Failed result, not an exception, and is noted in the log for the next full backup.
    /// </summary>
    /// <param name="progress">Told how far it is, or null.</param>
    public async Task<CheckResult> VerifyAsync(IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        try
        {
            return await new PointVerification(_core, _manifest,
                progress).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException archived) when (archived.ErrorId == ErrorIds.ObjectArchived)
        {
            return PointVerification.Unread(Point, CheckOutcome.Skipped, ErrorIds.RestorePointArchived,
                "What it needs lies in an archive class and was not read. Export-NataliaDisk -Thaw makes it readable "
                + "for some days.");
        }
    }

    /// <summary>
    /// Tells whether what the point needs can be read, and asks for what lies in an archive class. May be asked again
    /// at any time: what was asked for before is not asked for twice.
    /// </summary>
    /// <param name="diskIds">Which of its disks; null for all.</param>
    /// <param name="days">For how many days what is asked for is to stay readable, 1 or more; null only looks.</param>
    /// <returns>The state; null where the store has no archive classes, so that everything can be read.</returns>
    /// <exception cref="NataliaException"><c>BlockMapDamaged</c>, <c>PackMissing</c>, a store error.</exception>
    public async Task<ThawStatus?> ThawAsync(IReadOnlyCollection<string>? diskIds, int? days,
        CancellationToken cancellationToken)
    {
        if (days < 1) throw new ArgumentOutOfRangeException(nameof(days));
        if (_core.Store.Find<IObjectArchive>() is not IObjectArchive archive) return null;
        return await new PointThaw(_core, _manifest, archive).ExecuteAsync(diskIds, days,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens a disk to read it at any place. The caller disposes it, before the repository.</summary>
    /// <param name="diskId">Which disk; null takes the data disk, or the only one.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskAmbiguous</c>.</exception>
    public PointDiskReader OpenDisk(string? diskId)
    {
        string meant = DiskChoice.Of(Point, diskId).DiskId;
        return new PointDiskReader(_core, _manifest.ApplianceId, Point.RestorePointId,
            _manifest.Disks.First(d => d.DiskId == meant));
    }

    /// <summary>
    /// Tells every machine that the point is being read, until the mark is disposed of: it is not removed meanwhile,
    /// and its space is not given back. Never in the way of a backup.
    /// </summary>
    /// <exception cref="NataliaException"><c>StoreAccessDenied</c> where this session may only read: then only the
    /// grace of what is removed (<see cref="Repository.DefaultGrace"/>) protects the reader; another store
    /// error.</exception>
    public Task<ReaderMark> MarkAsync(CancellationToken cancellationToken) =>
        ReaderMark.PutAsync(_core, _manifest.ApplianceId, _manifest.Run, cancellationToken);

    /// <summary>The VM configuration kept with the point.</summary>
    /// <exception cref="NataliaException"><c>ConfigurationNotStored</c>, <c>PackMissing</c>,
    /// <c>ObjectDamaged</c>.</exception>
    public async Task<ApplianceDescription> GetConfigurationAsync(CancellationToken cancellationToken)
    {
        Reference configuration = _manifest.Configuration
            ?? throw new NataliaException(ErrorIds.ConfigurationNotStored, NataliaErrorKind.NotFound,
                $"The point {Point} holds no VM configuration.", Point.RestorePointId);
        using var codec = new SegmentCodec();
        byte[] bytes = await _core.PackReader(_manifest.ApplianceId)
            .ReadSegmentAsync(PackArea.Meta, configuration, codec, cancellationToken).ConfigureAwait(false);
        try
        {
            return ApplianceDescriptionJson.Decode(bytes);
        }
        catch (FormatException damage)
        {
            throw new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
                $"The VM configuration of the point {Point} cannot be read: {damage.Message}", Point.RestorePointId,
                null, damage);
        }
    }

    /// <summary>The attachments kept with the point; empty when there are none.</summary>
    /// <exception cref="NataliaException"><c>PackMissing</c>, <c>ObjectDamaged</c>, a store error.</exception>
    public async Task<IReadOnlyList<ApplianceAttachment>> GetAttachmentsAsync(CancellationToken cancellationToken)
    {
        var attachments = new List<ApplianceAttachment>();
        PackReader packs = _core.PackReader(_manifest.ApplianceId);
        foreach (ManifestAttachment attachment in _manifest.Attachments)
            attachments.Add(new ApplianceAttachment(attachment.Name, ManifestAttachment.KindOf(attachment.Kind),
                await CompanionReader.ReadAsync(packs, attachment, cancellationToken).ConfigureAwait(false)));
        return attachments;
    }

    /// <inheritdoc/>
    public override string ToString() => Point.ToString();

    private async Task<ManifestDisk> ExportAsync(string? diskId, IDiskTarget target, LossCollector? losses,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        using IDisposable use = PointsInUse.Enter(_core.RepositoryId, Point.RestorePointId);
        string meant = DiskChoice.Of(Point, diskId).DiskId;
        ManifestDisk disk = _manifest.Disks.First(d => d.DiskId == meant);
        string activity = $"Exporting {disk.DiskId} of {_manifest.ApplianceName}";
        await new DiskExport(_core, _manifest.ApplianceId, disk, losses, progress).ExecuteAsync(target, activity,
            cancellationToken).ConfigureAwait(false);
        return disk;
    }
}
