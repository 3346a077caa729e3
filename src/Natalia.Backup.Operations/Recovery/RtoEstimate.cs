using System.Globalization;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>How long a recovery would take today, by one restore test. Pure.</summary>
/// <param name="Test">The test; one that measured a restore.</param>
/// <param name="Factor">How much more there is to restore today; 1 where there is not, and never less.</param>
/// <param name="IsScaled">False where it is not known how much there was or is, so that nothing was scaled.</param>
/// <param name="IsBySizeAlone">True where what is allocated today could not be compared, since what was allocated then
/// is not known.</param>
internal sealed record RtoEstimate(RestoreTest Test, double Factor, bool IsScaled, bool IsBySizeAlone)
{
    /// <summary>Restore and checks times the factor, and the start.</summary>
    internal TimeSpan Time => Scale(Restore) + Test.BootDuration + Scale(Test.ChecksDuration);

    /// <summary>
    /// Scales by the disks' virtual sizes, and by what is allocated in them where that is known of both points: by
    /// whichever grew more. What shrank is not counted. The test itself keeps what was allocated then: its point may be
    /// gone by now.
    /// </summary>
    internal static RtoEstimate Of(RestoreTest test, ApplianceEvidence evidence)
    {
        double factor = 1;
        bool isScaled = false;
        Grow(test.SizeBytes, evidence.SizeBytes);
        long? allocated = test.AllocatedBytes
            ?? evidence.Points.FirstOrDefault(p => p.RestorePointId == test.RestorePointId)?.AllocatedBytes;
        EvidencePoint? newest = evidence.Points.LastOrDefault(p => p.IsGood && p.IsKept);
        Grow(allocated, newest?.AllocatedBytes);
        return new RtoEstimate(test, factor, isScaled, isScaled && allocated is null && newest?.AllocatedBytes > 0);

        void Grow(long? then, long? today)
        {
            if (then is not > 0 || today is not > 0) return;
            isScaled = true;
            factor = Math.Max(factor, (double)today.Value / then.Value);
        }
    }

    /// <summary>How the time came about, in a full sentence.</summary>
    internal string Explain()
    {
        string times = !IsScaled ? " (not scaled: it is not known how large the disks were)"
            : Factor > 1 ? $" (restore and checks times {Factor.ToString("0.00", CultureInfo.InvariantCulture)}, "
                + "because there is so much more to restore today)" : "";
        if (IsBySizeAlone)
            times += " (what was allocated then is not known: only the virtual size was compared)";
        return $"{TimeText.Span(Time)} by the restore test of {TimeText.Utc(Test.StartedUtc)}: "
            + $"{TimeText.Span(Restore)} restore, {TimeText.Span(Test.BootDuration)} start, "
            + $"{TimeText.Span(Test.ChecksDuration)} checks{times}.";
    }

    private TimeSpan Restore => Test.RestoreDuration ?? throw new InvalidOperationException("Nothing was restored.");

    private TimeSpan Scale(TimeSpan time) => TimeSpan.FromTicks((long)(time.Ticks * Factor));
}
