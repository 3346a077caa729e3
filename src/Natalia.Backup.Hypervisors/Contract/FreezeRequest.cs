namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How disks are to be frozen, and for whom.</summary>
public sealed record FreezeRequest
{
    /// <summary>The disks wanted, each one of the VM's; at least one.</summary>
    public required IReadOnlyList<string> DiskIds { get; init; }

    /// <summary>Whether the guest is asked to put its data in order first.</summary>
    public Quiescing Quiescing { get; init; } = Quiescing.Prefer;

    /// <summary>
    /// The backup that this is for. Everything that the freeze makes on the hypervisor is recorded there with it,
    /// <see cref="RepositoryId"/> and <see cref="HistoryId"/>, so that it is found again after a crash.
    /// </summary>
    public required string RunId { get; init; }

    /// <summary>The repository that is backed up into. Change tracking is kept for each repository by itself.</summary>
    public required string RepositoryId { get; init; }

    /// <summary>
    /// Whose history in the repository goes on: the id of the VM itself, or of the one that it was restored from.
    /// Recorded as well.
    /// </summary>
    public required string HistoryId { get; init; }

    /// <summary>
    /// By disk: the token from which the repository's newest point counts. A hypervisor that keeps something for a
    /// token keeps it for
    /// these until the new point is published, and for no other of this VM and repository. A token may belong to a
    /// disk that is not
    /// among <see cref="DiskIds"/>, and may be one that the hypervisor does not know any more.
    /// </summary>
    public IReadOnlyDictionary<string, string> KnownTokens { get; init; } = new Dictionary<string, string>();
}
