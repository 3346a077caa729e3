using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Backup;

/// <summary>
/// A backup that has begun and of which nothing is stored yet: the appliance's lease is held, so that whatever
/// earlier runs into this
/// repository left on a hypervisor belongs to dead ones. Now is the time to freeze. Disposing it gives the lease back.
/// </summary>
public sealed class PendingBackup : IAsyncDisposable
{
    private readonly RepositoryCore _core;
    private readonly ManifestReader _manifests;
    private readonly ApplianceDescription _vm;
    private readonly string _applianceId;
    private readonly Lease _lease;
    private readonly RunStart _start;
    // A measurement ends with the asynchronous method that began it, so that each of the three parts has its own.
    private readonly List<StoreMeter> _meters = [];
    private readonly List<LockCount> _locked = [];
    private readonly Func<PointManifest, RestorePoint> _describe;
    private BackupRun? _run;

    private PendingBackup(
        RepositoryCore core, ManifestReader manifests, ApplianceDescription vm, string applianceId, Lease lease,
        RunStart start, Func<PointManifest, RestorePoint> describe)
    {
        (_core, _manifests, _vm, _applianceId, _lease, _start) = (core, manifests, vm, applianceId, lease, start);
        _describe = describe;
        KnownTokens = FindKnownTokens();
    }

    /// <summary>
    /// Names this attempt: 32 lowercase hexadecimal digits. What is made on a hypervisor for it is recorded there
    /// with it.
    /// </summary>
    public string RunId { get; } = Id128.NewRandom().ToString();

    /// <summary>The repository's id, which is recorded there as well.</summary>
    public string RepositoryId => _core.RepositoryId;

    /// <summary>
    /// By disk: the token that the newest point here counts from, where it is this VM's. That, and nothing else, is
    /// what the next
    /// incremental may ask for; a disk that no point has, or whose last one has no token, is absent.
    /// </summary>
    public IReadOnlyDictionary<string, string> KnownTokens { get; }

    /// <summary>
    /// Whether the newest point, or the newest one of any of the disks, was made of another VM; false where there is
    /// none. The newest one counts whatever its disks are called: a VM that was restored to another hypervisor has
    /// disks with other ids.
    /// </summary>
    public bool FollowsAnotherVM => (_start.Parents.Points.FirstOrDefault()?.Disks ?? [])
        .Concat(_start.Parents.DiskIds.Select(d => _start.Parents.Find(d)?.Disk).OfType<ManifestDisk>())
        .Select(d => d.NativeId).OfType<string>().Any(vm => vm != VmIdentity.Of(_vm));

    /// <summary>Whether the point is there; asked when <see cref="ExecuteAsync"/> has failed.</summary>
    public PublishState State => _run?.State ?? PublishState.NotPublished;

    /// <summary>
    /// How many requests it has made to the store so far, the one that gives the lease back included once it is
    /// disposed; null where they are not counted.
    /// </summary>
    public long? Requests => _meters.Count == 0 ? null : _meters.Sum(m => m.Usage.Requests);

    internal static async Task<PendingBackup> BeginAsync(
        RepositoryCore core, ManifestReader manifests, Func<PointManifest, RestorePoint> describe,
        string applianceId, ApplianceDescription vm, IReadOnlyCollection<string> diskIds,
        CancellationToken cancellationToken)
    {
        StoreMeter? meter = core.Store.Find<IMeteredStore>()?.Meter.Measure();
        LockCount? locked = core.Store.Find<LockingStore>()?.Measure();
        Lease lease = await core.AcquireLeaseAsync(applianceId, LeasePurposes.Backup,
            cancellationToken).ConfigureAwait(false);
        try
        {
            RunStart start = await RunStart.ReadAsync(core, manifests, applianceId, diskIds, lease,
                cancellationToken).ConfigureAwait(false);
            var begun = new PendingBackup(core, manifests, vm, applianceId, lease, start, describe);
            if (meter is not null) begun._meters.Add(meter);
            if (locked is not null) begun._locked.Add(locked);
            return begun;
        }
        catch
        {
            await AfterFailure.ClearAsync(() => lease.DisposeAsync().AsTask()).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Makes the restore point. Once.</summary>
    /// <param name="request">What to back up: the VM and disks that it was begun for.</param>
    /// <param name="seal">
    /// Called when everything was read and is durable, and nothing is visible yet: gives the final tracking token by
    /// disk, and none for a
    /// disk that has none; when it throws, no point is made. Nothing is read of the disks any more once it was
    /// called. Null takes the
    /// tokens that the disks have had from the freeze on.
    /// </param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it; a checkpoint that was made stays.</param>
    /// <exception cref="NataliaException"><c>LeaseLost</c>, <c>DiskReadFailed</c>, a store error. <see cref="State"/>
    /// then tells whether the point is there all the same.</exception>
    public Task<RestorePoint> ExecuteAsync(
        BackupRequest request, Func<CancellationToken, Task<IReadOnlyDictionary<string, string>>>? seal,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (request.Disks.Count == 0) throw new ArgumentException("There is no disk to back up.", nameof(request));
        if (request.Appliance.ApplianceId != _applianceId)
            throw new ArgumentException("The backup was begun for another appliance.", nameof(request));
        RequirePossible(request.Attachments);
        if (_run is not null) throw new InvalidOperationException("A pending backup makes one point.");
        var source = new HypervisorRun(request, VmIdentity.Of(_vm), seal);
        _run = new BackupRun(_core, _manifests, source, progress);
        return RunAsync(_run, source, cancellationToken);
    }

    private async Task<RestorePoint> RunAsync(BackupRun run, HypervisorRun source,
        CancellationToken cancellationToken)
    {
        if (_core.Store.Find<IMeteredStore>()?.Meter.Measure() is StoreMeter meter) _meters.Add(meter);
        if (_core.Store.Find<LockingStore>()?.Measure() is LockCount locked) _locked.Add(locked);
        PointManifest manifest = await run.ExecuteAsync(_lease, _start, cancellationToken).ConfigureAwait(false);
        int? objects = _locked.Count == 0 ? null : _locked.Sum(l => l.Objects);
        return _describe(manifest) with
        {
            ClockWarning = run.ClockWarning,
            TrackingFault = source.TrackingFault,
            Requests = Requests,
            LockedObjects = objects,
        };
    }

    private static void RequirePossible(IReadOnlyList<ApplianceAttachment> attachments)
    {
        if (!attachments.All(a => ApplianceAttachment.IsName(a.Name))
            || attachments.Select(a => a.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count() < attachments.Count
            || attachments.Count > ApplianceAttachment.MaximumCount
            || attachments.Sum(a => (long)a.Content.Length) > ApplianceAttachment.MaximumBytes)
            throw new ArgumentException("The attachments are not ones that a point can have.", nameof(attachments));
    }

    private Dictionary<string, string> FindKnownTokens()
    {
        string identity = VmIdentity.Of(_vm);
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string diskId in _start.Parents.DiskIds)
        {
            ManifestDisk? disk = _start.Parents.Find(diskId)?.Disk;
            if (disk?.TrackingToken is string token && disk.NativeId == identity) tokens[diskId] = token;
        }
        return tokens;
    }

    /// <summary>Gives the lease back.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_core.Store.Find<IMeteredStore>()?.Meter.Measure() is StoreMeter meter) _meters.Add(meter);
        await _lease.DisposeAsync().ConfigureAwait(false);
    }
}
