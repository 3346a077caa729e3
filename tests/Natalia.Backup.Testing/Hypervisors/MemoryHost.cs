using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// A host with one VM that runs: its disks are written at any time, and what was made on it outlives whoever made it.
/// Counts changes by
/// numbering the writes; a state that counting can begin at is a number and the disk that it belongs to.
/// </summary>
public sealed class MemoryHost
{
    /// <summary>The unit in which changes are known.</summary>
    public const int Granularity = 4096;

    private readonly Dictionary<string, Disk> _disks = new(StringComparer.Ordinal);
    private readonly object _gate = new();
    private long _writes;
    private int _names;

    public MemoryHost(params (string DiskId, byte[] Bytes)[] disks)
    {
        foreach ((string id, byte[] bytes) in disks) Attach(id, bytes);
    }

    /// <summary>What stands on the host: snapshots and reference points, ours and others'.</summary>
    public List<MemoryObject> Objects { get; } = [];

    /// <summary>
    /// What was noted on the host before anything was made: run, repository and history, by the name that the thing
    /// would get.
    /// </summary>
    public Dictionary<string, (string RunId, string RepositoryId, string HistoryId)> Notes { get; } =
        new(StringComparer.Ordinal);

    /// <summary>Whether the guest does not put its data in order when it is asked to.</summary>
    public bool IsGuestDeaf { get; set; }

    public IReadOnlyList<string> DiskIds => [.. _disks.Keys];

    /// <summary>Puts a disk into a slot; whatever was counted of an earlier one there says nothing of it.</summary>
    public void Attach(string diskId, byte[] bytes)
    {
        lock (_gate) _disks[diskId] = new Disk((byte[])bytes.Clone(), Guid.NewGuid().ToString("N"),
            new long[(bytes.Length + Granularity - 1) / Granularity]);
    }

    public void Detach(string diskId)
    {
        lock (_gate) _disks.Remove(diskId);
    }

    /// <summary>What the guest does.</summary>
    public void Write(string diskId, long offset, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            Disk disk = _disks[diskId];
            bytes.CopyTo(disk.Bytes.AsSpan((int)offset));
            _writes++;
            for (long unit = offset / Granularity; unit * Granularity < offset + bytes.Length; unit++)
                disk.WrittenAt[unit] = _writes;
        }
    }

    public byte[] Content(string diskId)
    {
        lock (_gate) return (byte[])_disks[diskId].Bytes.Clone();
    }

    public bool Has(string diskId)
    {
        lock (_gate) return _disks.ContainsKey(diskId);
    }

    /// <summary>The disks as they are at this moment.</summary>
    internal Dictionary<string, MemoryState> Capture(IEnumerable<string> diskIds)
    {
        lock (_gate)
        {
            return diskIds.ToDictionary(id => id, id =>
                new MemoryState((byte[])_disks[id].Bytes.Clone(), _disks[id].Identity, _writes,
                    (long[])_disks[id].WrittenAt.Clone()), StringComparer.Ordinal);
        }
    }

    internal MemoryObject Make(string kind, string name, Dictionary<string, MemoryState> states)
    {
        var made = new MemoryObject($"{kind}-{Interlocked.Increment(ref _names)}", kind, name, states);
        lock (_gate) Objects.Add(made);
        return made;
    }

    /// <summary>What another product leaves on the host, under a name that looks like one of ours.</summary>
    public void MakeForeign()
    {
        string ours;
        lock (_gate) ours = Objects.Select(o => o.Name).FirstOrDefault() ?? "natalia-" + new string('f', 32);
        Make(MemoryObject.Snapshot, ours + "-not", Capture(_disks.Keys)).IsForeign = true;
        Make(MemoryObject.ReferencePoint, "natalia-" + new string('e', 32), Capture(_disks.Keys)).IsForeign = true;
    }

    internal void Remove(string id)
    {
        lock (_gate) Objects.RemoveAll(o => o.Id == id);
    }

    internal MemoryObject? Find(string id)
    {
        lock (_gate) return Objects.Find(o => o.Id == id);
    }

    private sealed record Disk(byte[] Bytes, string Identity, long[] WrittenAt);
}

/// <summary>
/// A disk at one moment: its bytes, which disk it is, and which write was the last one, of all and of each unit.
/// </summary>
internal sealed record MemoryState(byte[] Bytes, string Identity, long Write, long[] WrittenAt)
{
    /// <summary>The extents that were written after an earlier write.</summary>
    internal IReadOnlyList<Extent> WrittenSince(long write)
    {
        var extents = new List<Extent>();
        for (int unit = 0; unit < WrittenAt.Length; unit++)
        {
            if (WrittenAt[unit] <= write) continue;
            long at = (long)unit * MemoryHost.Granularity, length = Math.Min(MemoryHost.Granularity, Bytes.Length - at);
            if (extents.Count > 0 && extents[^1].End == at)
                extents[^1] = new Extent(extents[^1].Offset, extents[^1].Length + length);
            else extents.Add(new Extent(at, length));
        }
        return extents;
    }
}

/// <summary>Something that stands on a host.</summary>
public sealed class MemoryObject
{
    public const string Snapshot = "snapshot", ReferencePoint = "reference";

    internal MemoryObject(string id, string kind, string name, Dictionary<string, MemoryState> states) =>
        (Id, Kind, Name, States) = (id, kind, name, states);

    public string Id { get; }

    public string Kind { get; }

    public string Name { get; }

    public bool IsForeign { get; set; }

    internal Dictionary<string, MemoryState> States { get; }
}
