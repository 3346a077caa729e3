namespace Natalia.Backup.Operations.Recovery;

/// <summary>What is known of a restore point's health.</summary>
public enum EvidencePointState
{
    /// <summary>It was made, nothing speaks against it, and nobody has read it since. It is good.</summary>
    Unverified = 0,
    /// <summary>
    /// It was read as a whole and found good, or passed a restore test, since it was made. It is good.
    /// </summary>
    Verified,
    /// <summary>It is known to be damaged, it cannot be read, or it failed a verification. It is not good.</summary>
    Damaged,
    /// <summary>
    /// Its time cannot be true: it lies in the future, or its file was renamed. Or it is not finished. It is not good.
    /// </summary>
    Doubtful,
    /// <summary>
    /// A record tells that it was made, none that it was removed, and it is not there. It is not good.
    /// </summary>
    Missing,
}
