using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Testing;

/// <summary>
/// A disk in memory whose changes are known: by comparing it with the states that earlier tokens name.
/// </summary>
/// <param name="bytes">The disk.</param>
/// <param name="token">The token of this state; null for tracking that is off.</param>
/// <param name="earlier">The states that can still be compared with, by token.</param>
public sealed class TrackedMemoryDiskSource(byte[] bytes, string? token, IReadOnlyDictionary<string, byte[]> earlier)
    : MemoryDiskSource(bytes),
    IChangeTrackingSource
{
    /// <summary>The unit in which changes are reported.</summary>
    public int Granularity { get; init; } = 64 * 1024;

    /// <summary>Answers instead of the comparison; for trackers that lie.</summary>
    public Func<string, ChangedExtents>? Answer { get; init; }

    public bool IsTracked => token is not null;

    public string? TrackingToken => token;

    public Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Answer is not null) return Task.FromResult(Answer(sinceToken));
        if (!earlier.TryGetValue(sinceToken, out byte[]? before))
            return Task.FromResult(new ChangedExtents(null, $"The token '{sinceToken}' is no longer known."));
        var changed = new List<Extent>();
        for (int at = 0; at < Bytes.Length; at += Granularity)
        {
            int end = Math.Min(at + Granularity, Bytes.Length);
            bool same = end <= before.Length && Bytes.AsSpan(at..end).SequenceEqual(before.AsSpan(at..end));
            if (same) continue;
            if (changed.Count > 0 && changed[^1].End == at)
                changed[^1] = changed[^1] with { Length = end - changed[^1].Offset };
            else changed.Add(new Extent(at, end - at));
        }
        return Task.FromResult(new ChangedExtents(changed));
    }
}
