namespace Natalia.Backup.Sessions;

/// <summary>Which repository keeps the evidence of another one. By its id, so that it is found again when it was connected anew under another name.</summary>
/// <param name="RepositoryId">The repository's id.</param>
/// <param name="Name">What its session was called.</param>
internal sealed record EvidenceReference(string RepositoryId, string Name);
