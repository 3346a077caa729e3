using Natalia.Backup.Engine.BlockMap;

namespace Natalia.Backup.Engine.Restore;

/// <summary>What is known of <see cref="PointDiskReader.LeafBlocks"/> neighbouring blocks of a point's disk.</summary>
public readonly struct PointLeaf
{
    internal PointLeaf(long number, MapNode? node, long zerosEnd) => (Number, Node, ZerosEnd) = (number, node,
        zerosEnd);

    /// <summary>The leaf's number: it begins at block number × <see cref="PointDiskReader.LeafBlocks"/>.</summary>
    public long Number { get; }

    /// <summary>True when all of it is zeros.</summary>
    public bool IsZero => Node is null;

    /// <summary>Of a leaf of zeros: the first leaf behind it that may be none; may lie behind the disk's end.</summary>
    public long ZerosEnd { get; }

    internal MapNode? Node { get; }

    /// <summary>Whether a block is stored; one that is not is all zeros.</summary>
    /// <param name="slot">The block's place in the leaf, from 0 on.</param>
    public bool IsStored(int slot) => Node?[slot] is not null;
}

/// <summary>A block of a leaf that is wanted, and where its bytes go.</summary>
/// <param name="Slot">Its place in the leaf, from 0 on.</param>
/// <param name="Bytes">As long as the block is: <see cref="PointDiskReader.BlockBytes"/>, or less for the disk's last
/// one.</param>
public readonly record struct WantedBlock(int Slot, Memory<byte> Bytes);
