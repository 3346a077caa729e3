namespace Natalia.Backup.Engine.Model;

/// <summary>By which way a backup read the disks, where a hypervisor has more than one.</summary>
public enum ReadMethod
{
    /// <summary>Ranges of the frozen image, by HTTPS: an incremental reads what changed and nothing else.</summary>
    RangedHttp = 1,
    /// <summary>
    /// An export of the whole snapshot as a stream (NFC lease of VMware): every run moves the whole disk, whatever of
    /// it is kept.
    /// </summary>
    NfcExport,
}
