namespace Natalia.Backup.Engine.Storage;

/// <summary>How strong a lock on stored objects is.</summary>
public enum ObjectLockMode
{
    /// <summary>An administrator with a special right can lift it.</summary>
    Governance = 0,
    /// <summary>Nobody can lift or shorten it, the account's owner included.</summary>
    Compliance,
}
