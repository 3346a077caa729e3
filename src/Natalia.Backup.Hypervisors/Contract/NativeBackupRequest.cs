using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>What a native backup is to do.</summary>
public sealed record NativeBackupRequest
{
    /// <summary>
    /// What was asked for. The hypervisor decides by itself what it reads; the result says what it did.
    /// </summary>
    public RequestedBackupType RequestedType { get; init; }
    /// <summary>The run's id; kept in the point's notes.</summary>
    public string RunId { get; init; } = Guid.NewGuid().ToString("N");
    /// <summary>
    /// Whether the system disk stays out. Such a point cannot boot by itself, and needs a storage entry of its own.
    /// </summary>
    public bool DataDiskOnly { get; init; }
    /// <summary>Which disk holds the data, where the description does not say so; or null.</summary>
    public string? DataDiskId { get; init; }
    /// <summary>
    /// Gives the count of call records to keep with the point, from the time of its state, UTC; null keeps none.
    /// </summary>
    public Func<DateTime, CdrBaseline?>? CdrBaseline { get; init; }
    /// <summary>How long another operation on the VM may hold it before the run gives up.</summary>
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromMinutes(30);
    /// <summary>
    /// How long the run may take. What is still running then is left alone, and reported as not finished.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(24);
}
