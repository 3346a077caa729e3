using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.BlockMap;

/// <summary>The root of a disk's block map.</summary>
/// <param name="Level">The root node's level; 0 when it is a leaf.</param>
/// <param name="Reference">The root node; null when the disk is all zeros.</param>
/// <param name="Blocks">How many blocks are stored below it.</param>
internal sealed record MapRoot(int Level, Reference? Reference, long Blocks)
{
    internal static MapRoot Empty { get; } = new(0, null, 0);
}
