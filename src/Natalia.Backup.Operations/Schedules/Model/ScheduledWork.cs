namespace Natalia.Backup.Operations.Schedules.Model;

/// <summary>What a run of a schedule does.</summary>
internal enum ScheduledWork
{
    /// <summary>Backup, copies, retention.</summary>
    Backup = 0,
    /// <summary>The restore test of every appliance.</summary>
    RestoreTest,
    /// <summary>Connects with the profile, reports, and changes nothing.</summary>
    Probe,
}
