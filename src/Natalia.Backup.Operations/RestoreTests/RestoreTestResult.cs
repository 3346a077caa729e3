namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>How a restore test ended.</summary>
public enum RestoreTestResult
{
    /// <summary>
    /// No check failed, but one could not be made, or had nothing to compare with. Neither good nor bad, and no
    /// evidence.
    /// </summary>
    NotTested = 0,
    /// <summary>Every check passed.</summary>
    Passed,
    /// <summary>A check failed: what was restored is not as it should be, or the test did not clear up behind itself.
    /// </summary>
    Failed,
}
