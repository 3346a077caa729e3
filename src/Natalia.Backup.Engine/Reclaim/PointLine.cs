using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// Tells whether the points of an appliance lie on one line: each made by a run that knew of the one below. They do not
/// when a run that had lost its lease published all the same, beside the run that had taken it over. Then the line
/// forks, and what died on one branch may be needed on the other, so that dead lists alone do not tell what is free.
/// Asks only for what earlier optimizations did not know.
/// </summary>
internal sealed class PointLine(DeltaReader deltas, FreeList? before)
{
    /// <summary>All runs that there is anything of, counted by their sequences.</summary>
    private long[] _sequences = [];

    /// <param name="points">All manifests that there are, ascending.</param>
    /// <param name="manifests">Those that were read.</param>
    /// <returns>For each point but the lowest the one below it, and whether it was made after that one; null when that
    /// cannot be told.</returns>
    internal async Task<List<(Run Point, Run Below, bool? IsAbove)>> FindAsync(IReadOnlyList<Run> points,
        IReadOnlyDictionary<Run, PointManifest> manifests, CancellationToken cancellationToken)
    {
        _sequences = deltas.Runs.Concat(points).Distinct().Select(r => r.Sequence).OrderBy(s => s).ToArray();
        var pairs = new List<(Run, Run, bool?)>();
        for (int i = 1; i < points.Count; i++)
            pairs.Add(
                (points[i], points[i - 1], await IsAboveAsync(points[i], points[i - 1], manifests,
                    cancellationToken).ConfigureAwait(false)));
        return pairs;
    }

    private async Task<bool?> IsAboveAsync(Run point, Run lower, IReadOnlyDictionary<Run, PointManifest> manifests,
        CancellationToken cancellationToken)
    {
        for (Run at = point; at != lower;)
        {
            // Whoever passes by the lower one, and does not come upon it, was made without knowing of it.
            if (at.Sequence <= lower.Sequence) return false;
            if (await NextAsync(at, lower, manifests, cancellationToken).ConfigureAwait(false) is not Run next)
                return null;
            at = next;
        }
        return true;
    }

    /// <summary>
    /// The run that another one was made after, or one further down that line; null when nothing tells.
    /// </summary>
    private async Task<Run?> NextAsync(Run run, Run lower, IReadOnlyDictionary<Run, PointManifest> manifests,
        CancellationToken cancellationToken)
    {
        if (before is not null && before.Below.TryGetValue(run, out Run known)) return known;
        manifests.TryGetValue(run, out PointManifest? manifest);
        // The manifest tells the parent's sequence only: that will do where nobody else has it, nor one between.
        if (manifest is not null && deltas.StandIns(run).Count == 0
            && manifest.Disks.Any(d => d.ParentSequence == lower.Sequence)
            && Count(_sequences, lower.Sequence, run.Sequence) == 1)
            return lower;
        if (await deltas.ReadAsync(run, cancellationToken).ConfigureAwait(false) is not RunDelta delta) return null;
        // Who shares nothing with anything before needs nothing of what dies there.
        if (manifest is not null && manifest.Disks.All(d => d.ParentSequence is null)
            && manifest.Companions.References.All(r => r.Run == run))
            return lower;
        return delta.After ?? lower;
    }

    /// <summary>How many of the sorted numbers are from the first up to but not including the last.</summary>
    private static int Count(long[] sorted, long first, long last) => Bound(sorted, last) - Bound(sorted, first);

    private static int Bound(long[] sorted, long value)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sorted[middle] < value) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
