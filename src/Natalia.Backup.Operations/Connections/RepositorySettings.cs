namespace Natalia.Backup.Operations.Connections;

/// <summary>What it takes to connect to a repository again, without its secret.</summary>
internal sealed record RepositorySettings
{
    /// <summary>The session's name.</summary>
    public required string Name { get; init; }
    /// <summary>The kind of its store; only <c>Folder</c> has a <see cref="Path"/>.</summary>
    public required string Kind { get; init; }
    /// <summary>The folder, a full path; for a hypervisor's storage, its name there.</summary>
    public required string Path { get; init; }
    /// <summary>The bucket, for kind <c>S3</c>; else null.</summary>
    public BucketSettings? Bucket { get; init; }
    /// <summary>For a folder on a share: the name of the secret that holds the user of the share; empty when one was given and it has no name yet, null when the account that runs the command is taken.</summary>
    public string? ShareSecret { get; init; }
    /// <summary>The name of the hypervisor session whose storage it is; null for a repository of this product.</summary>
    public string? Hypervisor { get; init; }
    /// <summary>The name of the repository session that keeps its evidence; null for none, and for a repository of this product.</summary>
    public string? EvidenceRepository { get; init; }
    /// <summary>How it is opened.</summary>
    public required RepositoryAccess Access { get; init; }
    /// <summary>The name of the secret that holds the password, when one is needed and its name is known.</summary>
    public string? PasswordSecret { get; init; }
}
