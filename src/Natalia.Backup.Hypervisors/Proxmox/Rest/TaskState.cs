namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>How a task of the server ended.</summary>
internal enum TaskState
{
    /// <summary>Still running when it was last seen. Not a failure.</summary>
    Running = 0,
    /// <summary>Done.</summary>
    Ok,
    /// <summary>Done, with warnings, which the server gives for routine things too.</summary>
    Warnings,
    /// <summary>It said that it failed.</summary>
    Failed,
    /// <summary>Nobody knows its end: its record is gone or cut off.</summary>
    Lost,
}
