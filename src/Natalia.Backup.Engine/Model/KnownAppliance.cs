namespace Natalia.Backup.Engine.Model;

/// <summary>An appliance that a repository has something of. Immutable and job-safe.</summary>
/// <param name="ApplianceId">Its id: 32 lowercase hexadecimal digits.</param>
/// <param name="Name">What it is called; null when the repository's log has no name for it.</param>
public sealed record KnownAppliance(string ApplianceId, string? Name);
