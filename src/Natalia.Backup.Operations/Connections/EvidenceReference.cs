namespace Natalia.Backup.Operations.Connections;

/// <summary>
/// Which repository keeps the evidence of another one. By its id, so that it is found again when it was connected anew
/// under another name.
/// </summary>
/// <param name="RepositoryId">The repository's id; null when it could not be connected yet, and is looked for by its
/// name.</param>
/// <param name="Name">What its session is called.</param>
internal sealed record EvidenceReference(string? RepositoryId, string Name);
