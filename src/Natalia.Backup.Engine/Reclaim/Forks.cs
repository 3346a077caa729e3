using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>What is said of two runs that made points beside each other. See <see cref="PointLine"/>.</summary>
internal static class Forks
{
    internal static string Describe(Run lower, Run upper) => lower.Sequence == upper.Sequence
        ? $"The points {lower.Id} and {upper.Id} have the same sequence, {lower.Sequence}: two runs wrote at the same "
            + "time, because one had lost its lease. That alone harms no point."
        : $"The point {upper.Id} (sequence {upper.Sequence}) was made without knowing of {lower.Id} (sequence "
            + $"{lower.Sequence}): two runs wrote beside each other, because one had lost its lease, or the manifest "
            + "of that point was away at the time. That alone harms no point.";

    internal static string Remedy(Run lower, Run upper) => lower.Sequence == upper.Sequence
        ? "Remove one of the two points with Remove-NataliaRestorePoint, and run Repair-NataliaRepository when "
            + "Optimize-NataliaRepository has given it back."
        : "Run Repair-NataliaRepository.";
}
