namespace Natalia.Backup.Operations.Recovery;

/// <summary>What kind of record a verdict rests on.</summary>
public enum EvidenceKind
{
    /// <summary>A restore point, by its id.</summary>
    RestorePoint = 0,
    /// <summary>A restore test, by its id.</summary>
    RestoreTest,
    /// <summary>A replication, by its hypervisor's id of it.</summary>
    Replication,
    /// <summary>A schedule, by its hypervisor's id of it.</summary>
    Schedule,
}
