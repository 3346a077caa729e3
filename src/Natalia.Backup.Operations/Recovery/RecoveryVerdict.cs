namespace Natalia.Backup.Operations.Recovery;

/// <summary>What the evidence says of an objective.</summary>
public enum RecoveryVerdict
{
    /// <summary>There is not enough to say so; that is no success.</summary>
    NotEvidenced = 0,
    /// <summary>Attained, by evidence.</summary>
    Met,
    /// <summary>Not attained, by evidence.</summary>
    Missed,
}
