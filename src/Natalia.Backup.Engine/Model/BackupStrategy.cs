namespace Natalia.Backup.Engine.Model;

/// <summary>How often an appliance is backed up. The retention that suits it follows from it.</summary>
public enum BackupStrategy
{
    /// <summary>One full a day: RPO 24 hours.</summary>
    Daily = 0,
    /// <summary>One full a day and an incremental every six hours: RPO 6 hours.</summary>
    SixHourly,
    /// <summary>
    /// One full a day, and a replication of the hypervisor every five minutes: RPO 5 minutes. A replication follows
    /// deletions, and is no backup.
    /// </summary>
    Replication,
}
