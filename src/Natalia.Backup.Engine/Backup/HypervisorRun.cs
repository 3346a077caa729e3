using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>A run that reads what a hypervisor froze.</summary>
internal sealed class HypervisorRun : IRunSource
{
    private readonly BackupRequest _request;
    private readonly string _vm;
    private readonly Func<CancellationToken, Task<IReadOnlyDictionary<string, string>>>? _seal;
    private readonly HypervisorDisk[] _disks;
    private IReadOnlyDictionary<string, string>? _tokens;

    /// <param name="request">What to back up.</param>
    /// <param name="vm">What its tracking tokens belong to.</param>
    /// <param name="seal">Gives the final tokens; null where they are those of the freeze.</param>
    internal HypervisorRun(
        BackupRequest request, string vm, Func<CancellationToken, Task<IReadOnlyDictionary<string, string>>>? seal)
    {
        _request = request;
        _vm = vm;
        _seal = seal;
        _disks = [.. request.Disks.Select(d => new HypervisorDisk(d, request.RequestedType, vm))];
    }

    public string Purpose => LeasePurposes.Backup;

    public string Activity => "Backing up";

    public ApplianceDescription Appliance => _request.Appliance;

    public IReadOnlyList<IRunDisk> Disks => _disks;

    public byte[]? Configuration => ApplianceDescriptionJson.Encode(_request.Appliance);

    public IReadOnlyList<RunAttachment> Attachments =>
        [.. _request.Attachments.Select(a => new RunAttachment(a.Name, a.Kind.ToString(), a.Content))];

    /// <summary>What was found of change tracking by reading everything; null when nothing was.</summary>
    internal string? TrackingFault =>
        _disks.Select(d => d.TrackingFault).OfType<string>().ToArray() is { Length: > 0 } faults
            ? string.Join(" ", faults)
            : null;

    public bool IsSealed { get; private set; }

    public Task<PointManifest?> FindMadeAsync(History history, CancellationToken cancellationToken) =>
        Task.FromResult<PointManifest?>(null);

    public async Task SealAsync(CancellationToken cancellationToken)
    {
        IsSealed = true;
        if (_seal is not null) _tokens = await _seal(cancellationToken).ConfigureAwait(false);
    }

    public AuditEntry? EntryBefore(Run run) => null;

    public PointManifest Describe(PointManifest made, IReadOnlyList<string> reasons)
    {
        string[] all = [.. reasons.Append(_request.ConsistencyReason).Concat(_request.Remarks)
            .OfType<string>().Distinct()];
        return made with
        {
            TimeUtc = _request.TimeUtc,
            RequestedType = _request.RequestedType,
            Reason = all.Length == 0 ? null : string.Join(" ", all),
            Consistency = _request.Consistency,
            ReadMethod = _request.ReadMethod,
            CdrBaseline = _request.CdrBaseline,
            Disks = made.Disks.Zip(_disks, (d, disk) => WithToken(d, disk, made.Incomplete)).ToArray(),
        };
    }

    /// <summary>
    /// A point has the token that the seal gave. A checkpoint is made before the seal and has one that was true at
    /// the freeze: of the frozen state where that had one, else of what an incremental goes out from, from which the
    /// disk can differ in nothing but what changed since.
    /// </summary>
    private ManifestDisk WithToken(ManifestDisk made, HypervisorDisk disk, bool isCheckpoint)
    {
        string? token = isCheckpoint || _tokens is null ? disk.TrackingToken
            : _tokens.TryGetValue(disk.DiskId, out string? born) ? born : null;
        if (isCheckpoint && token is null && disk.CountsFrom is ManifestDisk before)
            return made with
            {
                TrackingToken = before.TrackingToken,
                NativeId = _vm,
                CoveredBytes = Covered(made.CoveredBytes, before.CoveredBytes),
            };
        return made with { TrackingToken = token, NativeId = token is null ? null : _vm };
    }

    /// <summary>
    /// How far a checkpoint is no older than the token that it counts from: wholly, when what it goes out from was;
    /// else as far as either of them came. It must not claim what neither of them read.
    /// </summary>
    private static long? Covered(long? now, long? before) =>
        now is long a && before is long b ? Math.Max(a, b) : null;
}
