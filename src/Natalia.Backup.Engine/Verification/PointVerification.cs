using System.Collections.Concurrent;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Verification;

/// <summary>Reads everything that one point needs, and tells whether it could be restored.</summary>
internal sealed class PointVerification(RepositoryCore core, PointManifest manifest,
    IProgress<OperationProgress>? progress)
{
    private readonly ConcurrentDictionary<string, string> _damage = new(StringComparer.Ordinal);
    private long _badBlocks;
    private long _missingAtEnd;
    private string? _deltaDamage;

    internal async Task<CheckResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        long started = core.Clock.GetTimestamp();
        PackReader packs = core.PackReader(manifest.ApplianceId);
        long total = manifest.Disks.Sum(d => d.Root.Blocks) * BlockGeometry.BlockBytes, good = 0;
        await CheckDeltaAsync(cancellationToken).ConfigureAwait(false);
        await CheckConfigurationAsync(packs, cancellationToken).ConfigureAwait(false);
        await CheckAttachmentsAsync(packs, cancellationToken).ConfigureAwait(false);
        foreach (ManifestDisk disk in manifest.Disks)
        {
            try
            {
                good += await CheckDiskAsync(packs, disk, good, total, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (damage.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing)
            {
                Add(damage);
            }
        }
        // The last block of a disk may be shorter than the others; one that is lost counts as a whole one.
        long expected = _damage.IsEmpty ? total - _missingAtEnd : total;
        string? unrecorded = null;
        if (_damage.IsEmpty && good == expected)
            unrecorded = await TryRecordAsync(good, cancellationToken).ConfigureAwait(false);
        if (!_damage.IsEmpty)
            await DamageRecords.WriteAsync(core, manifest.ApplianceId, manifest.PointId, manifest.Run.Sequence,
                _damage.Keys, $"Verification found {Plural.Count(_damage.Count, "damaged object")}.",
                cancellationToken).ConfigureAwait(false);
        return new CheckResult
        {
            Name = "RestorePoint",
            // A delta is needed to give space back, not to restore.
            Result = !_damage.IsEmpty || good != expected
                ? CheckOutcome.Failed
                : _deltaDamage is not null || unrecorded is not null ? CheckOutcome.Warning : CheckOutcome.Passed,
            Target = $"{manifest.ApplianceName} {manifest.TimeUtc:yyyy-MM-dd HH:mm:ss}Z",
            Expected = $"{expected} bytes",
            Actual = $"{good} bytes",
            Duration = core.Clock.GetElapsedTime(started),
            Detail = _damage.IsEmpty
                ? string.Join(" ", new[]
                {
                    _deltaDamage is null ? null : _deltaDamage + " The point can be restored.",
                    unrecorded,
                    good == expected ? null : "The point's block map leads to fewer blocks than it counts.",
                }.Where(t => t is not null)) is { Length: > 0 } text ? text : null
                : (_badBlocks > 0 ? $"{Plural.Count(_badBlocks, "block")} cannot be restored. " : "")
                    + string.Join(" ", _damage.Values.Take(3))
                    + (_damage.Count > 3 ? $" And {Plural.Count(_damage.Count - 3, "more damaged object")}." : ""),
            ErrorId = _damage.IsEmpty && good == expected ? null : ErrorIds.RestorePointDamaged,
            RestorePointId = manifest.PointId,
            ApplianceId = manifest.ApplianceId,
            ApplianceName = manifest.ApplianceName,
            RepositoryId = core.RepositoryId,
        };
    }

    /// <summary>
    /// Keeps in the log that the point was read as a whole and found good: a test that leaves no trace proves nothing
    /// to anybody later. The verdict does not depend on it.
    /// </summary>
    /// <returns>Why that could not be kept; null when it was.</returns>
    private async Task<string?> TryRecordAsync(long bytes, CancellationToken cancellationToken)
    {
        try
        {
            await core.ApplianceLog(manifest.ApplianceId).AppendAsync(new AuditEntry(AuditEvents.PointVerified)
            {
                ApplianceId = manifest.ApplianceId,
                RestorePointId = manifest.PointId,
                Sequence = manifest.Run.Sequence,
                WriteData = json => json.WriteNumber("bytes", bytes),
            }, core.SigningSeed, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (NataliaException failure)
        {
            return $"The point is whole, but no record of this could be kept: {failure.Message}";
        }
    }

    /// <summary>What is told of a point that could not be read at all.</summary>
    internal static CheckResult Unread(RestorePoint point, CheckOutcome outcome, string errorId, string detail) => new()
    {
        Name = "RestorePoint",
        Result = outcome,
        Target = point.ToString(),
        Detail = detail,
        ErrorId = errorId,
        RestorePointId = point.RestorePointId,
        ApplianceId = point.ApplianceId,
        ApplianceName = point.ApplianceName,
        Repository = point.Repository,
        RepositoryId = point.RepositoryId,
    };

    private async Task CheckDeltaAsync(CancellationToken cancellationToken)
    {
        string name = Layout.Delta(manifest.ApplianceId, manifest.Run);
        try
        {
            byte[] bytes = await core.Store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
            RunDelta.Decode(bytes, manifest.ApplianceId, manifest.Run);
            RunDelta.DecodeDead(bytes, core.Keys);
            if (SmallObject.Trailer(bytes) != manifest.DeltaHash)
                throw new FormatException("It is not the one that the manifest names.");
        }
        catch (FormatException damage)
        {
            _deltaDamage = $"The delta '{name}' is damaged: {damage.Message}";
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            _deltaDamage = $"The delta '{name}' is missing.";
        }
    }

    private async Task CheckConfigurationAsync(PackReader packs, CancellationToken cancellationToken)
    {
        if (manifest.Configuration is not Reference configuration) return;
        using var codec = new SegmentCodec();
        try
        {
            ApplianceDescriptionJson.Decode(await packs.ReadSegmentAsync(PackArea.Meta, configuration, codec,
                cancellationToken).ConfigureAwait(false));
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.ObjectDamaged or ErrorIds.PackMissing)
        {
            Add(damage);
        }
        catch (FormatException damage)
        {
            Add(new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
                "The configuration kept with the point cannot be read: " + damage.Message, "configuration", null,
                damage));
        }
    }

    private async Task CheckAttachmentsAsync(PackReader packs, CancellationToken cancellationToken)
    {
        foreach (ManifestAttachment attachment in manifest.Attachments)
        {
            try
            {
                await CompanionReader.ReadAsync(packs, attachment, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (damage.ErrorId is ErrorIds.ObjectDamaged or ErrorIds.PackMissing)
            {
                Add(damage);
            }
        }
    }

    private async Task<long> CheckDiskAsync(PackReader packs, ManifestDisk disk, long before, long total,
        CancellationToken cancellationToken)
    {
        var map = new MapReader(packs, disk.Root);
        long good = 0;
        var readers = new List<LeafReader>();
        IAsyncEnumerator<(long Leaf, Reference Reference)> leaves = map.EnumerateLeavesAsync(cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        try
        {
            for (int i = 0; i < core.LeavesAtOnce; i++)
                readers.Add(new LeafReader(packs));
            await OrderedPipeline.RunAsync(readers,
                async _ => await leaves.MoveNextAsync().ConfigureAwait(false)
                    ? (true, leaves.Current)
                    : (false, default),
                async (reader, leaf, stop) =>
                {
                    MapNode node;
                    try
                    {
                        node = await map.ReadAsync(leaf.Reference, 0, reader.Codec, stop).ConfigureAwait(false);
                    }
                    catch (NataliaException damage)
                        when (damage.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing)
                    {
                        Add(damage);
                        return 0;
                    }
                    CountEnd(node, leaf.Leaf, disk.SizeBytes);
                    return await reader.ReadAsync(node, leaf.Leaf, disk.SizeBytes, into: null, OnBadBlock,
                        stop).ConfigureAwait(false);
                },
                (bytes, _) =>
                {
                    good += bytes;
                    progress?.Report(
                        new OperationProgress(
                            $"Verifying {manifest.ApplianceName} {manifest.TimeUtc:yyyy-MM-dd HH:mm}Z",
                        before + good, total));
                    return Task.CompletedTask;
                }, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            foreach (LeafReader reader in readers) reader.Dispose();
            await leaves.DisposeAsync().ConfigureAwait(false);
        }
        return good;
    }

    /// <summary>What the disk's last block lacks of a whole one, where it is stored.</summary>
    private void CountEnd(MapNode node, long leaf, long sizeBytes)
    {
        long last = BlockGeometry.BlockCount(sizeBytes) - 1;
        if (leaf == last >> BlockGeometry.FanOutBits && node[(int)(last & (BlockGeometry.FanOut - 1))] is not null)
            Interlocked.Add(ref _missingAtEnd, BlockGeometry.BlockBytes - BlockGeometry.BlockLength(sizeBytes, last));
    }

    private void OnBadBlock(Reference block, NataliaException damage)
    {
        Interlocked.Increment(ref _badBlocks);
        _damage.TryAdd(Layout.Pack(manifest.ApplianceId, PackArea.Data, block.Run, block.Pack), damage.Message);
    }

    private void Add(NataliaException damage) => _damage.TryAdd(damage.Target ?? damage.ErrorId, damage.Message);
}
