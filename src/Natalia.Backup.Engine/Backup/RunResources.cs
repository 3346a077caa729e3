using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>What the rounds of a run share: memory, which is used again, and what was counted so far.</summary>
/// <remarks>
/// Memory: for each worker a leaf of 8 MiB and, from the fifth on, half a pack of 32 MiB, because one processor fills
/// packs half as fast as one thread hashes, writes and flushes them. So 164 MiB with three workers, as on two
/// processors, and at most 24 MiB more for each further worker, of which there are sixteen at most, from fifteen
/// processors on: 460 MiB.
/// </remarks>
/// <param name="clock">The clock.</param>
/// <param name="workers">How many leaves are worked on at once.</param>
internal sealed class RunResources(TimeProvider clock, int workers)
{
    private const int DataPackBytes = 32 << 20;
    private const int FewestDataPacks = 4;
    private const int MetaPackBytes = 4 << 20, MetaPacks = 3;

    private readonly List<byte[]> _leafBuffers = [];

    internal PackBuffers DataBuffers { get; } = new(Math.Max(FewestDataPacks, 2 + workers / 2), DataPackBytes);

    internal PackBuffers MetaBuffers { get; } = new(MetaPacks, MetaPackBytes);

    /// <summary>When the run began, UTC.</summary>
    internal DateTime StartedUtc { get; } = clock.UtcNow();

    /// <summary>When the run began, as a time stamp of the clock.</summary>
    internal long Started { get; } = clock.GetTimestamp();

    /// <summary>Whether the point is there.</summary>
    internal PublishState State { get; set; }

    /// <summary>Bytes read from the disks.</summary>
    internal long ReadBytes { get; set; }

    /// <summary>Bytes added to the repository.</summary>
    internal long StoredBytes { get; set; }

    /// <summary>Bytes that are to be read.</summary>
    internal long PlannedBytes { get; set; }

    /// <summary>The memory of one worker.</summary>
    internal byte[] LeafBuffer(int worker)
    {
        if (_leafBuffers.Count == worker) _leafBuffers.Add(LargeMemory.Allocate((int)BlockGeometry.LeafBytes));
        return _leafBuffers[worker];
    }

    internal void StartAnew() => ReadBytes = StoredBytes = 0;
}
