namespace Natalia.Backup.Operations.Kinds;

/// <summary>
/// A hypervisor's own storage for backups, as a repository; it is reached through the hypervisor's connection.
/// </summary>
internal abstract record HypervisorStorageSettings : RepositoryConnectionSettings
{
    /// <summary>The storage's name on the hypervisor.</summary>
    public required string Path { get; init; }

    /// <summary>The name of the hypervisor's session.</summary>
    public required string Hypervisor { get; init; }

    /// <summary>The name of the repository session that keeps its evidence; null for none.</summary>
    public string? EvidenceRepository { get; init; }

    internal override string? Problem =>
        Access == RepositoryAccess.Hypervisor
            ? null
            : $"access is {Access}, and the storage of a hypervisor is reached through it";

    internal override bool LeadsTo(RepositoryConnectionSettings other) =>
        base.LeadsTo(other) && other is HypervisorStorageSettings storage
        && storage.Kind == Kind && storage.Path == Path && storage.Hypervisor == Hypervisor
        && storage.EvidenceRepository == EvidenceRepository;
}
