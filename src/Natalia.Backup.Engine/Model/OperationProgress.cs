namespace Natalia.Backup.Engine.Model;

/// <summary>How far an operation has come. Sent from any thread; a receiver that paints throttles for itself.</summary>
/// <param name="Activity">What is going on, for a person.</param>
/// <param name="DoneBytes">Bytes done, 0 or more; where there is a <see cref="Unit"/>, how many of those.</param>
/// <param name="TotalBytes">Bytes to do, or how many of the unit; null when not known yet.</param>
public sealed record OperationProgress(string Activity, long DoneBytes, long? TotalBytes)
{
    /// <summary>What is counted instead of bytes, in the plural: <c>packs</c>; <c>%</c> for a percentage.</summary>
    public string? Unit { get; init; }
}
