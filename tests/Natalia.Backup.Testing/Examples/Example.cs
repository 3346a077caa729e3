namespace Natalia.Backup.Testing.Examples;

/// <summary>A piece of PowerShell that a document shows.</summary>
/// <param name="Id">Where it stands.</param>
/// <param name="Code">What it is.</param>
public sealed record Example(string Id, string Code);
