namespace Natalia.Backup.Operations.Recovery;

/// <summary>What is measured of an appliance. The order is that of rows.</summary>
public enum RecoveryObjective
{
    /// <summary>How much can be lost: the time between good points, or the lag of a replication.</summary>
    Rpo = 0,
    /// <summary>How long it takes until the appliance runs again.</summary>
    Rto,
    /// <summary>How long ago the last restore test passed.</summary>
    RestoreTestAge,
    /// <summary>Which days, weeks and months have a point.</summary>
    Coverage,
    /// <summary>Whether a good point lies on another machine than the appliance.</summary>
    OffHost,
    /// <summary>Whether the points that are needed can be deleted by nobody.</summary>
    Immutability,
    /// <summary>How long ago a point was last read as a whole and found good.</summary>
    VerificationAge,
    /// <summary>Whether the backups that should have run did.</summary>
    Schedule,
}
