using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// One appliance's part as it is, less what is planned to go: what the steps of a plan look at. Reads only; a step that
/// plans a deletion takes it out of sight for those after it.
/// </summary>
/// <param name="real">The repository, whose store is <paramref name="store"/>.</param>
/// <param name="store">Knows what the store could not read.</param>
/// <param name="applianceId">The appliance.</param>
/// <param name="applianceName">What it is called; null where nobody knows.</param>
/// <param name="options">How to repair.</param>
/// <param name="rotten">Objects that a reading of every byte found damaged, with the reason.</param>
/// <param name="progress">Told how far it is, or null.</param>
internal sealed class RepairView(
    RepositoryCore real, RereadStore store, string applianceId, string? applianceName, RepairOptions options,
        Dictionary<string, string> rotten, IProgress<OperationProgress>? progress)
{
    private readonly RehearsalStore _rehearsal = new(real.Store, real.Clock);

    /// <summary>Blocks that were read and are what their maps name, so that no later look reads them again.</summary>
    private readonly SegmentMarks _proven = new();
    private RepositoryCore? _core;
    private Dictionary<string, PointManifest>? _catalog;
    private List<AuditName>? _log;
    private long _done;

    internal RepairOptions Options => options;
    internal string ApplianceId => applianceId;
    internal string Name => applianceName ?? applianceId;

    /// <summary>The repository without what is planned to go.</summary>
    internal RepositoryCore Core => _core ??= real.Through(_rehearsal);

    internal AuditLog ApplianceLog => Core.ApplianceLog(applianceId);

    /// <summary>The names of objects that are there and that the store could not read. What is not given today may be
    /// given tomorrow.</summary>
    internal ICollection<string> Unreadable => store.Unreadable;

    /// <summary>Objects that are not whole although that does not show from outside, with the reason.</summary>
    internal Dictionary<string, string> Rotten => rotten;

    internal DeltaReader Deltas { get; private set; } = null!;
    internal PackInventory Inventory { get; private set; } = null!;
    internal RepairAnalysis Analysis { get; private set; } = null!;
    internal PointStates States { get; private set; } = null!;
    internal IReadOnlyList<RenewalRecord> Renewals { get; private set; } = [];

    /// <summary>What the log knows to be damaged.</summary>
    internal DamageState KnownDamage { get; private set; } = null!;

    /// <summary>The list of free space, null when it is not there or not whole, and the names of all such
    /// lists.</summary>
    internal (FreeList? List, IReadOnlyList<string> Names) KnownFree { get; private set; }

    private HashSet<string> _readers = [];

    /// <summary>Whether somebody reads a point: a restore of this process, or a server anywhere.</summary>
    internal bool IsInUse(string restorePointId) =>
        PointsInUse.Contains(Core.RepositoryId, restorePointId) || _readers.Contains(restorePointId);

    /// <summary>The names of the appliance's log.</summary>
    internal List<AuditName> Log => _log!;

    /// <summary>All manifests that are there, or will be; null for one that cannot be read.</summary>
    internal List<(Run Run, PointManifest? Manifest)> Listed { get; private set; } = [];

    /// <summary>Those that are planned to go.</summary>
    internal HashSet<Run> Gone { get; } = [];

    /// <summary>Points that are given up, and whose manifest may stay all the same.</summary>
    internal HashSet<Run> GivenUp { get; } = [];

    /// <summary>The records of points whose manifests are missing, and that may come back.</summary>
    internal List<AuditRecord> LostManifests { get; } = [];

    /// <summary>Manifests that cannot be read, and that may be put back.</summary>
    internal List<Run> DamagedManifests { get; } = [];

    /// <summary>The manifests that will be there when the plan is carried out.</summary>
    internal List<(Run Run, PointManifest? Manifest)> Staying => Listed.FindAll(l => !Gone.Contains(l.Run));

    /// <summary>Looks which deltas and packs there are, and what is wrong with each.</summary>
    internal async Task LoadPacksAsync(CancellationToken cancellationToken)
    {
        Deltas = new DeltaReader(Core, applianceId);
        await Deltas.LoadAsync(cancellationToken).ConfigureAwait(false);
        Inventory = new PackInventory(Core, applianceId);
        await Inventory.LoadAsync(Deltas, rotten, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads the log and the manifests.</summary>
    internal async Task LoadManifestsAsync(CancellationToken cancellationToken)
    {
        _log = await ApplianceLog.ListAsync(cancellationToken).ConfigureAwait(false);
        var manifests = new ManifestReader(Core);
        List<Run> runs = await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        States = await PointStates.ReadAsync(ApplianceLog, new HashSet<long>(_log.Select(n => n.Sequence)),
            cancellationToken).ConfigureAwait(false);
        KnownDamage = await DamageRecords.ReadAsync(ApplianceLog, _log, cancellationToken).ConfigureAwait(false);
        Renewals = await RenewalRecord.ReadAsync(ApplianceLog, _log, Core.Clock.UtcNow(),
            cancellationToken).ConfigureAwait(false);
        KnownFree = await FreeList.ReadAsync(Core.Store, applianceId, Core.Keys, cancellationToken,
            Core.PassesOver).ConfigureAwait(false);
        _readers = await ReaderMarks.ReadAsync(Core, applianceId, cancellationToken).ConfigureAwait(false);
        var listed = new (Run Run, PointManifest? Manifest)?[runs.Count];
        await InParallel.RunAsync(Enumerable.Range(0, runs.Count).ToList(), 16, async i =>
        {
            try
            {
                listed[i] = (runs[i], null);
                listed[i] = (runs[i],
                    await manifests.ReadAsync(applianceId, runs[i], cancellationToken).ConfigureAwait(false));
            }
            catch (NataliaException damage)
                when (damage.ErrorId is ErrorIds.ManifestDamaged or ErrorIds.StoreReadFailed or ErrorIds.ObjectDamaged)
            {
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Forgotten by an optimization since it was listed.
                listed[i] = null;
            }
        }, cancellationToken).ConfigureAwait(false);
        Listed = [.. listed.Where(l => l is not null).Select(l => l!.Value)];
    }

    /// <summary>Walks all maps of what stays.</summary>
    internal Task AnalyzeAsync(CancellationToken cancellationToken)
    {
        Listed.Sort((a, b) => string.CompareOrdinal(a.Run.ToString(), b.Run.ToString()));
        Analysis = new RepairAnalysis(Core, applianceId, Inventory, Deltas, bytes =>
            progress?.Report(new OperationProgress($"Looking through {Name}", Interlocked.Add(ref _done, bytes),
            null)))
        {
            // Who has read every byte says what is whole again. Where something was found damaged it is not enough that
            // every segment opens: it may have been sealed as something else than its map names.
            ToProve = options.Full ? KnownDamage : null,
            Proven = _proven,
        };
        return Analysis.ExecuteAsync(Staying, cancellationToken);
    }

    /// <summary>The copies of manifests that are there, by point; read when the first is looked for.</summary>
    internal async Task<Dictionary<string, PointManifest>> ReadCatalogAsync(CancellationToken cancellationToken)
    {
        if (_catalog is not null) return _catalog;
        var catalog = new PointCatalog(Core, applianceId);
        var copies = new Dictionary<string, PointManifest>(StringComparer.Ordinal);
        foreach (string name in (await catalog.ListAsync(cancellationToken).ConfigureAwait(false)).SelectMany(c => c))
        {
            foreach (PointCatalog.Entry entry in await catalog.ReadAsync(name, cancellationToken).ConfigureAwait(false))
                copies[entry.Manifest.PointId] = entry.Manifest;
        }
        return _catalog = copies;
    }

    /// <summary>The record of a point's making, or null: it tells what the point was when its manifest
    /// cannot.</summary>
    internal async Task<AuditRecord?> FindMadeAsync(string restorePointId, long sequence,
        CancellationToken cancellationToken) =>
        (await ApplianceLog.ReadAllAsync(Log.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence == sequence),
            cancellationToken).ConfigureAwait(false))
            .FirstOrDefault(r => r?.RestorePointId == restorePointId);

    /// <summary>What a record of a point's making tells of it; nulls where it does not.</summary>
    internal static (DateTime? TimeUtc, PointOrigin? CopyOf) ReadMade(AuditRecord? made)
    {
        using JsonDocument data = JsonDocument.Parse(made?.Data ?? "{}");
        return (data.RootElement.ReadTimeOrNull("timeUtc"), PointOrigin.Read(data.RootElement));
    }

    /// <summary>Takes an object that is planned to be deleted out of sight.</summary>
    /// <returns>Whether it can be deleted; else until when a lock keeps it, UTC.</returns>
    internal async Task<(bool Goes, DateTime? LockedUntilUtc)> TakeAsync(string name,
        CancellationToken cancellationToken)
    {
        try
        {
            await _rehearsal.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            return (true, null);
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
            return (false, await Core.Store.ObjectLock!.GetRetainUntilAsync(name,
                cancellationToken).ConfigureAwait(false));
        }
    }

    /// <summary>The same with many: those that cannot be deleted, by name.</summary>
    internal async Task<Dictionary<string, DateTime?>> TakeAllAsync(IEnumerable<string> names,
        CancellationToken cancellationToken)
    {
        var locked = new Dictionary<string, DateTime?>(StringComparer.Ordinal);
        await InParallel.RunAsync(names.ToList(), 16, async name =>
        {
            if (await TakeAsync(name, cancellationToken).ConfigureAwait(false) is not (false, var until)) return;
            lock (locked) locked[name] = until;
        }, cancellationToken).ConfigureAwait(false);
        return locked;
    }

    /// <summary>A room of packs in which there should be some and is none; null without one. Loss takes packs, a folder
    /// that is not mounted takes them all.</summary>
    internal string? FindEmptyRoom() =>
        Inventory.All.GroupBy(p => p.Area).Where(a => a.All(p => p.IsMissing))
            .Select(a => Layout.Packs(applianceId, a.Key)).FirstOrDefault();

    /// <summary>Why nothing at all is given up for now, in words; null where it may be. What could not be read, or is
    /// not there as a whole, may be there tomorrow.</summary>
    internal string? FindReasonToWait() =>
        Unreadable.FirstOrDefault() is string unreadable ? RepairWords.WaitForReading(unreadable)
        : FindEmptyRoom() is string room ? RepairWords.WaitForRoom(room) : null;

    /// <summary>Whether what is lost is given up: that was asked for, and nothing speaks against it.</summary>
    internal bool GivesUp => options.RemoveLost && FindReasonToWait() is null;

    internal RepairFinding Finding(RepairFindingKind kind, RepairAction action, string? subject) =>
        new()
        {
            Kind = kind,
            Action = action,
            Object = subject,
            ApplianceId = applianceId,
            ApplianceName = applianceName
        };

    /// <summary>Of something that goes, or that a lock keeps.</summary>
    internal RepairFinding Finding(RepairFindingKind kind, RepairAction action, string? subject,
        (bool Goes, DateTime? LockedUntilUtc) taken) =>
        Finding(kind, taken.Goes ? action : RepairAction.Locked, subject)
            with
        { LockedUntilUtc = taken.LockedUntilUtc };
}
