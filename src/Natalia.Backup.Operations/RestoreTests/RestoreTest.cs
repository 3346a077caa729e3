using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// A restore test: which point, where, what was checked, how it ended and how long each part took. Immutable; every
/// property survives a job or a remote session.
/// </summary>
public sealed record RestoreTest
{
    /// <summary>The test's id: 32 lowercase hexadecimal digits; the mark that its VM carried.</summary>
    public required string RestoreTestId { get; init; }
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What the appliance was called when the point was made.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>The restore point's id.</summary>
    public required string RestorePointId { get; init; }
    /// <summary>The time of the point's state, UTC.</summary>
    public required DateTime PointTimeUtc { get; init; }
    /// <summary>The id of the repository that holds the point.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>The name of the session of that repository; null where none is connected.</summary>
    public string? Repository { get; init; }
    /// <summary>How it ended.</summary>
    public RestoreTestResult Result { get; init; }
    /// <summary>Which check failed, or what could not be made, and why; null for a test that passed.</summary>
    public string? Reason { get; init; }
    /// <summary>
    /// The checks in their order: Restore, Isolation, Boot, Integrity, AuditLog, CdrCount, the user's own, Destroyed.
    /// </summary>
    public IReadOnlyList<CheckResult> Checks { get; init => field = ItemList.Of(value); } =
        ItemList.Of<CheckResult>([]);
    /// <summary>The name of the session of the hypervisor that it ran on.</summary>
    public required string TestBench { get; init; }
    /// <summary>The kind of that hypervisor.</summary>
    public required string TestBenchKind { get; init; }
    /// <summary>The test VM, as the hypervisor calls it; null when there was none.</summary>
    public string? TestVM { get; init; }
    /// <summary>True when the VM was kept, isolated and marked, as -KeepOnFailure asked.</summary>
    public bool IsKept { get; init; }
    /// <summary>The image that gave the system disk; null where the point held its own.</summary>
    public string? SystemImage { get; init; }
    /// <summary>The virtual size of the disks that were restored, in bytes; null where unknown.</summary>
    public long? SizeBytes { get; init; }
    /// <summary>
    /// How many bytes of the point's disks are not zero, before compression; null where unknown, as of tests of older
    /// versions.
    /// </summary>
    public long? AllocatedBytes { get; init; }
    /// <summary>When it began, UTC.</summary>
    public required DateTime StartedUtc { get; init; }
    /// <summary>
    /// True when the VM ran from the repository and nothing was restored: such a test proves the point, and says
    /// nothing of how long a restore takes.
    /// </summary>
    public bool IsFromRepository { get; init; }
    /// <summary>
    /// How long the making of the VM took, from the first request until its disks were written; null where it ran from
    /// the repository.
    /// </summary>
    public TimeSpan? RestoreDuration { get; init; }
    /// <summary>How long it took from power-on until the guest answered.</summary>
    public TimeSpan BootDuration { get; init; }
    /// <summary>How long the checks inside took, together.</summary>
    public TimeSpan ChecksDuration { get; init; }
    /// <summary>How long all of it took, the removal of the VM included.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The appliance, the point's time and the result.</summary>
    public override string ToString() => $"{ApplianceName} {PointTimeUtc:yyyy-MM-dd HH:mm:ss}Z: {Result}";
}
