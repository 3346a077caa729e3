namespace Natalia.Backup.Engine.Audit;

/// <summary>What somebody kept elsewhere, to hold an audit log against. Immutable.</summary>
public sealed record AuditExpectations
{
    /// <summary>
    /// The SHA-256 fingerprint of the key that signs the log, 64 hexadecimal digits; null when nobody kept it.
    /// </summary>
    public string? Fingerprint { get; init; }

    /// <summary>
    /// Records that must be there still: the newest of each log at a time. Heads of other repositories are passed over.
    /// </summary>
    public IReadOnlyList<ExpectedHead> Heads { get; init; } = [];
}
