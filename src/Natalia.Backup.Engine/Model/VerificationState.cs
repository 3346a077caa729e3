namespace Natalia.Backup.Engine.Model;

/// <summary>What a storage's own verification said about a restore point.</summary>
public enum VerificationState
{
    /// <summary>Never verified, or the repository keeps no such record.</summary>
    Unknown = 0,
    /// <summary>Everything was read and was as it had been written.</summary>
    Good,
    /// <summary>Something is damaged.</summary>
    Failed,
}
