using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>How far one disk of a run has come; lives across the run's checkpoints.</summary>
internal sealed class DiskProgress(IRunDisk disk) : IAsyncDisposable
{
    internal IRunDisk Disk => disk;

    /// <summary>The map so far: the parent's, then that of the latest checkpoint, at last the finished one.</summary>
    internal MapRoot Root { get; set; } = MapRoot.Empty;

    internal long? ParentSequence { get; set; }

    /// <summary>True when only changed extents are read.</summary>
    internal bool IsTracked { get; set; }

    /// <summary>
    /// Why everything is read although an incremental would have been possible or was asked for; or null.
    /// </summary>
    internal string? Reason { get; set; }

    /// <summary>
    /// The number of the newest record of damage when the disk was last read as a whole. A run that reads all of it
    /// has done so only when it is finished; until then, what the parent has seen is what was seen.
    /// </summary>
    internal long DamageSeen => IsFinished ? DamageSeenAtEnd : DamageSeenBefore;

    /// <summary>What the map that the run goes out from has seen.</summary>
    internal long DamageSeenBefore { get; set; }

    /// <summary>What the map will have seen when the disk is finished.</summary>
    internal long DamageSeenAtEnd { get; set; }

    /// <summary>How many bytes are to be read.</summary>
    internal long PlannedBytes { get; set; }

    internal IAsyncEnumerator<LeafWork>? Work { get; set; }

    /// <summary>The next leaf that was not looked at; everything before it is the frozen state.</summary>
    internal long NextLeaf { get; set; }

    internal bool IsFinished { get; set; }

    internal long? CoveredBytes => IsFinished ? null : Math.Min(NextLeaf * BlockGeometry.LeafBytes, disk.SizeBytes);

    public ValueTask DisposeAsync() => Work?.DisposeAsync() ?? default;
}
