using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// How all of a command's backups are to be made. What is null was not said: then an appliance's settings say it.
/// </summary>
/// <param name="Type">Full or incremental.</param>
/// <param name="DataDisk">The id of the disk that holds the data.</param>
/// <param name="IncludeSystemDisk">Whether the system disk goes along.</param>
/// <param name="DataDiskOnly">Whether a hypervisor that takes whole VMs is to leave the system disk out.</param>
internal sealed record BackupWishes(RequestedBackupType Type, string? DataDisk, bool? IncludeSystemDisk,
    bool? DataDiskOnly)
{
    /// <summary>The count of call records of the business day before, for the restore test; or null.</summary>
    internal long? CdrBaseline { get; init; }
}
