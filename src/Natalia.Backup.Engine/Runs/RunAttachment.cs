namespace Natalia.Backup.Engine.Runs;

/// <summary>An attachment that a run stores with its point.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it is, as it is written into the manifest.</param>
/// <param name="Content">Its bytes.</param>
internal sealed record RunAttachment(string Name, string Kind, ReadOnlyMemory<byte> Content);
