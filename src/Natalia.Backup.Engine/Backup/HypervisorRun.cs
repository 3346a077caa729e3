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
    private readonly Func<CancellationToken, Task>? _beforePublish;
    private readonly HypervisorDisk[] _disks;

    internal HypervisorRun(BackupRequest request, Func<CancellationToken, Task>? beforePublish)
    {
        _request = request;
        _beforePublish = beforePublish;
        _disks = [.. request.Disks.Select(d => new HypervisorDisk(d, request.RequestedType, Identity))];
    }

    public string Purpose => LeasePurposes.Backup;

    public string Activity => "Backing up";

    public ApplianceDescription Appliance => _request.Appliance;

    public IReadOnlyList<IRunDisk> Disks => _disks;

    public byte[]? Configuration => ApplianceDescriptionJson.Encode(_request.Appliance);

    /// <summary>What a tracking token belongs to: another VM that goes on with this history has tokens of its own.</summary>
    private string Identity => _request.Appliance.HypervisorKind + ":" + (_request.Appliance.NativeId ?? _request.Appliance.Name);

    public Task<PointManifest?> FindMadeAsync(History history, CancellationToken cancellationToken) => Task.FromResult<PointManifest?>(null);

    public Task SealAsync(CancellationToken cancellationToken) => _beforePublish?.Invoke(cancellationToken) ?? Task.CompletedTask;

    public AuditEntry? EntryBefore(Run run) => null;

    public PointManifest Describe(PointManifest made, IReadOnlyList<string> reasons)
    {
        string[] all = reasons.Append(_request.ConsistencyReason).Where(r => r is not null).Distinct().ToArray()!;
        return made with
        {
            TimeUtc = _request.TimeUtc,
            RequestedType = _request.RequestedType,
            Reason = all.Length == 0 ? null : string.Join(" ", all),
            Consistency = _request.Consistency,
            Disks = made.Disks.Zip(_disks, (d, disk) => d with
            {
                TrackingToken = disk.TrackingToken,
                NativeId = disk.TrackingToken is null ? null : Identity,
            }).ToArray(),
        };
    }
}
