namespace Natalia.Backup.Engine.Model;

/// <summary>What is known of a VM's guest agent.</summary>
public enum GuestAgentState
{
    /// <summary>Not known.</summary>
    Unknown = 0,
    /// <summary>Not configured for this VM.</summary>
    Disabled,
    /// <summary>Configured; whether it answers was not asked.</summary>
    Enabled,
    /// <summary>It answered.</summary>
    Running,
    /// <summary>Configured, but it did not answer.</summary>
    NotRunning,
}
