namespace Natalia.Backup.Operations.Kinds;

/// <summary>How a repository is opened.</summary>
internal enum RepositoryAccess
{
    /// <summary>With its password.</summary>
    Password,
    /// <summary>It has none, and the user said so.</summary>
    Unencrypted,
    /// <summary>Through the hypervisor whose storage it is.</summary>
    Hypervisor,
    /// <summary>Without its password, for checks and the audit log.</summary>
    AuditOnly,
}
