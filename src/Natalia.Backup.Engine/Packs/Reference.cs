using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Packs;

/// <summary>
/// Where a block or a node lies, and what it must contain. Says nothing of offsets, so that a pack can be rewritten
/// without touching a map.
/// </summary>
/// <param name="Run">The run that wrote it; its sequence is the reference's birth.</param>
/// <param name="Pack">The pack's number within the run.</param>
/// <param name="Ordinal">The segment within the pack.</param>
/// <param name="Hash">SHA-256 of the plain bytes.</param>
internal sealed record Reference(Run Run, int Pack, int Ordinal, Hash256 Hash);
