namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Whether the guest is asked to put its data in order before its disks are frozen, and what happens when it does
/// not.
/// </summary>
public enum Quiescing
{
    /// <summary>Asked for. When it fails, the disks are frozen as they are, and the reason is told.</summary>
    Prefer,

    /// <summary>Asked for. When it fails, nothing is frozen.</summary>
    Require,

    /// <summary>Not asked for.</summary>
    Skip,
}
