namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How a test VM is made.</summary>
public sealed record TestVMRequest
{
    internal const string NamePrefix = "natalia-test-";

    /// <summary>The network that leads nowhere; every adapter is put on it.</summary>
    public required string IsolatedNetwork { get; init; }
    /// <summary>The test's id; kept in the mark.</summary>
    public string RunId { get; init; } = Guid.NewGuid().ToString("N");
    /// <summary>Where it is put.</summary>
    public Placement Placement { get; init; } = new();
    /// <summary>Memory in bytes, or null for as much as the original.</summary>
    public long? MemoryBytes { get; init; }
    /// <summary>The disks that are served and not written; null for none. As of a <see cref="BuildRequest"/>.</summary>
    public ServedDisks? ServedDisks { get; init; }
    /// <summary>How long the making may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(4);

    /// <summary>
    /// The name of the VM that is made for a test: it tells people what they see, and decides nothing.
    /// </summary>
    public string Name => NamePrefix + (RunId.Length > 8 ? RunId.Substring(0, 8) : RunId).ToLowerInvariant();
}
