namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Says what there is instead of what was asked for.</summary>
internal static class Offer
{
    /// <summary>A sentence with the names of what there is, or that there is none.</summary>
    /// <param name="names">What there is.</param>
    internal static string Of(IEnumerable<string?> names)
    {
        string all = string.Join(", ", names);
        return all.Length == 0 ? "It has none." : $"It has: {all}.";
    }
}
