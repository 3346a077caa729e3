using System.Buffers.Binary;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.BlockMap;

/// <summary>
/// One page of a block map: up to 128 references, at level 0 to blocks, above to nodes. An absent reference means
/// zeros. docs/format.md §7.
/// </summary>
internal sealed class MapNode
{
    private const byte Version = 1;

    /// <summary>No node takes more bytes.</summary>
    internal const int LargestEncoding = 4 + BlockGeometry.FanOut * 24
        + BlockGeometry.FanOut * (1 + 4 * Varint.MaximumLength + Hash256.Size);

    private readonly Reference?[] _references = new Reference?[BlockGeometry.FanOut];
    private readonly long[]? _blocks;

    internal MapNode(int level)
    {
        Level = level;
        _blocks = level == 0 ? null : new long[BlockGeometry.FanOut];
    }

    internal int Level { get; }

    internal Reference? this[int slot] => _references[slot];

    /// <summary>How many stored blocks lie below a slot.</summary>
    internal long Blocks(int slot) => _references[slot] is null ? 0 : _blocks is null ? 1 : _blocks[slot];

    /// <summary>How many stored blocks lie below the node.</summary>
    internal long TotalBlocks
    {
        get
        {
            long total = 0;
            for (int slot = 0; slot < BlockGeometry.FanOut; slot++) total += Blocks(slot);
            return total;
        }
    }

    internal bool IsEmpty => Array.TrueForAll(_references, r => r is null);

    internal void Set(int slot, Reference? reference, long blocks = 1)
    {
        _references[slot] = reference;
        if (_blocks is not null) _blocks[slot] = reference is null ? 0 : blocks;
    }

    internal MapNode Clone()
    {
        var copy = new MapNode(Level);
        _references.CopyTo(copy._references, 0);
        _blocks?.CopyTo(copy._blocks!, 0);
        return copy;
    }

    internal byte[] Encode()
    {
        var runs = new List<Run>();
        var buffer = new byte[LargestEncoding];
        int count = 0;
        foreach (Reference? reference in _references)
        {
            if (reference is null) continue;
            count++;
            if (!runs.Contains(reference.Run)) runs.Add(reference.Run);
        }
        buffer[0] = Version;
        buffer[1] = (byte)Level;
        buffer[2] = (byte)count;
        buffer[3] = (byte)runs.Count;
        int at = 4;
        foreach (Run run in runs)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(at), (ulong)run.Sequence);
            run.Id.Write(buffer.AsSpan(at + 8));
            at += 24;
        }
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (_references[slot] is not Reference reference) continue;
            buffer[at++] = (byte)slot;
            at += Varint.Write(buffer.AsSpan(at), (ulong)runs.IndexOf(reference.Run));
            at += Varint.Write(buffer.AsSpan(at), (ulong)reference.Pack);
            at += Varint.Write(buffer.AsSpan(at), (ulong)reference.Ordinal);
            if (_blocks is not null) at += Varint.Write(buffer.AsSpan(at), (ulong)_blocks[slot]);
            reference.Hash.Write(buffer.AsSpan(at));
            at += Hash256.Size;
        }
        return buffer.AsSpan(0, at).ToArray();
    }

    /// <exception cref="FormatException">The bytes are not a node of that level.</exception>
    internal static MapNode Decode(ReadOnlySpan<byte> bytes, int level)
    {
        if (bytes.Length < 4 || bytes[0] != Version || bytes[1] != level || bytes[2] > BlockGeometry.FanOut
            || bytes[3] > bytes[2])
            throw new FormatException("A node of the block map is not valid.");
        var node = new MapNode(level);
        int count = bytes[2];
        var runs = new Run[bytes[3]];
        bytes = bytes.Slice(4);
        if (bytes.Length < runs.Length * 24) throw new FormatException("A node of the block map is cut off.");
        for (int i = 0; i < runs.Length; i++, bytes = bytes.Slice(24))
        {
            ulong sequence = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            if (sequence > Layout.HighestNumber)
                throw new FormatException("A node of the block map names an impossible run.");
            runs[i] = new Run((long)sequence, Id128.Read(bytes.Slice(8)));
        }
        int previous = -1;
        for (int i = 0; i < count; i++)
        {
            if (bytes.IsEmpty || bytes[0] <= previous || bytes[0] >= BlockGeometry.FanOut)
                throw new FormatException("A node of the block map is not valid.");
            int slot = previous = bytes[0];
            bytes = bytes.Slice(1);
            int run = Varint.ReadInt(ref bytes);
            int pack = Varint.ReadInt(ref bytes);
            int ordinal = Varint.ReadInt(ref bytes);
            ulong blocks = level == 0 ? 1 : Varint.Read(ref bytes);
            if (run >= runs.Length || blocks > (ulong)BlockGeometry.MaximumBlocks || bytes.Length < Hash256.Size)
                throw new FormatException("A node of the block map is not valid.");
            node.Set(slot, new Reference(runs[run], pack, ordinal, Hash256.Read(bytes)), (long)blocks);
            bytes = bytes.Slice(Hash256.Size);
        }
        if (!bytes.IsEmpty) throw new FormatException("A node of the block map has bytes behind its end.");
        return node;
    }
}
