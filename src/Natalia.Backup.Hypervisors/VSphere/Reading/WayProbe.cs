namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>Whether a way leads to the bytes.</summary>
/// <param name="WhyNot">Null when it does; else why not, in a full sentence.</param>
/// <param name="IsForNow">Whether another moment may bring another answer: a file that somebody else holds.</param>
internal sealed record WayProbe(string? WhyNot, bool IsForNow = false)
{
    internal static readonly WayProbe Works = new(WhyNot: null);
}
