namespace Natalia.Backup.Benchmarks;

/// <summary>The median of what rounds have measured; of an even number the mean of the two in the middle.</summary>
internal static class Median
{
    internal static double Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
