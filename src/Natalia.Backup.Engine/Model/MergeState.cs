namespace Natalia.Backup.Engine.Model;

/// <summary>Whether what earlier snapshots left of a VM's disks is merged into one file each.</summary>
public enum MergeState
{
    /// <summary>The hypervisor does not tell it.</summary>
    Unknown,
    /// <summary>Nothing waits to be merged.</summary>
    Merged,
    /// <summary>Disks are being merged now.</summary>
    Merging,
    /// <summary>A disk lies in more than one file although the VM has no snapshot, and nothing merges it now.</summary>
    Pending,
    /// <summary>Merging is switched off: the files of snapshots grow for ever.</summary>
    SwitchedOff,
}
