namespace Natalia.Backup.Engine.Model;

/// <summary>What a backup does when the guest does not put its data in order.</summary>
public enum QuiesceFailure
{
    /// <summary>A crash-consistent point is made, and the reason is told with it.</summary>
    Crash = 0,
    /// <summary>The backup fails, and no point is made.</summary>
    Fail,
}
