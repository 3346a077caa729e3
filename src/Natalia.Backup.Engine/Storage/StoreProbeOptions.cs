namespace Natalia.Backup.Engine.Storage;

/// <summary>What a probe of a destination compares with.</summary>
public sealed record StoreProbeOptions
{
    /// <summary>The clock; also what the store's clock is compared with.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>
    /// Names and addresses of the hypervisor's hosts: a destination that lies on one of them is lost with it.
    /// </summary>
    public IReadOnlyCollection<string> HypervisorHosts { get; init; } = [];

    /// <summary>Less room than this, in bytes, is a warning. The default is 10 GiB.</summary>
    public long MinimumFreeBytes { get; init; } = 10L << 30;

    /// <summary>
    /// A larger difference of clocks is a warning: dates of locks are taken from this machine's clock. The default is
    /// one minute.
    /// </summary>
    public TimeSpan ClockTolerance { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long the probe that proves immutability stays locked, and so stays in the store. At least ten seconds; the
    /// default is one minute.
    /// </summary>
    public TimeSpan LockDuration { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The repository's id for the results, or null.</summary>
    public string? RepositoryId { get; init; }
}
