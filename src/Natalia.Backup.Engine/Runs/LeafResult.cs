using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Runs;

/// <summary>What became of one leaf.</summary>
/// <param name="Leaf">Its number.</param>
/// <param name="Content">What it is now; null when it is as in the parent.</param>
/// <param name="Old">The parent's leaf, where there is one.</param>
/// <param name="DeadBlocks">The blocks of the parent that are no longer referred to.</param>
/// <param name="ReadBytes">Bytes read from the disk.</param>
internal sealed record LeafResult(
    long Leaf, MapNode? Content, Reference? Old, IReadOnlyList<Reference> DeadBlocks, long ReadBytes);
